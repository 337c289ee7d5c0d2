"""The outbox as the relay sees it: rows are taken in the order of their ids, and forgotten once they were sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, String, create_engine, event, func, make_url, select, type_coerce

from .table import outbox_table

_BATCH_ROWS = 500
_BATCH_CHARACTERS = 16 * 2**20  # one row may be larger
_SQLITE_WAITS_SECS = 5
# A relay that vanishes with its machine holds its rows no longer than this; sending a batch takes seconds at most.
_LIMITS = (
    "SET LOCAL statement_timeout = '8s'; SET LOCAL lock_timeout = '5s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'"
)


class Row(NamedTuple):
    """A task that waits; its parameters are JSON, if its writer kept to the rules."""

    id: str
    task: str
    parameters: str


class Backlog(NamedTuple):
    """How many rows wait, and since when the first has."""

    rows: int
    oldest_at: datetime | None


def outbox_engine(url: str) -> Engine:
    """Return an engine with one connection, which is found out to be lost within seconds."""
    parsed = make_url(url)
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True, "hide_parameters": True}
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": _SQLITE_WAITS_SECS}, **options)
        event.listen(engine, "connect", _read_any_text)
    else:
        engine = create_engine(parsed, **options)
        event.listen(engine, "do_connect", _connect)
    return engine


def take(connection: Connection) -> list[Row]:
    """Read the next rows.

    In PostgreSQL they are locked until the transaction ends, and another relay takes others. SQLite has no such lock:
    nothing is locked while rows are sent, so that the application can write, and two relays may send the same rows.
    """
    table = outbox_table()
    locks = connection.dialect.name == "postgresql"
    if locks:
        connection.exec_driver_sql(_LIMITS)
    size: Any = func.octet_length if locks else func.length
    first = select(table.c.id, size(table.c.parameters)).order_by(table.c.id).limit(_BATCH_ROWS)
    ids = _as_many_as_fit(connection.execute(first.with_for_update(skip_locked=True)).all())
    wanted = select(table.c.id, table.c.task, table.c.parameters).where(table.c.id.in_(ids)).order_by(table.c.id)
    rows = [Row(row.id, row.task, _text(row.parameters)) for row in connection.execute(wanted)] if ids else []
    if not locks:
        connection.commit()
    return rows


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Delete rows, and commit."""
    table = outbox_table()
    if ids:
        connection.execute(table.delete().where(table.c.id.in_(ids)))
    connection.commit()


def backlog(connection: Connection) -> Backlog:
    """Count what waits, the rows of other relays included."""
    table = outbox_table()
    oldest = type_coerce(func.min(table.c.created_at), String)  # SQLite has texts, and anybody may have written them
    rows, since = connection.execute(select(func.count(), oldest).select_from(table)).one()
    connection.commit()
    return Backlog(rows, _time(since))


def _as_many_as_fit(sizes: Sequence[Any]) -> list[str]:
    found: list[str] = []
    left = _BATCH_CHARACTERS
    for row_id, size in sizes:
        left -= size
        if found and left < 0:
            break
        found.append(row_id)
    return found


def _time(value: Any) -> datetime | None:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _text(stored: Any) -> str:
    return stored.decode("utf-8", "surrogateescape") if isinstance(stored, bytes) else str(stored)


def _read_any_text(connection: Any, record: Any) -> None:
    connection.text_factory = _text  # the driver would take what is no UTF-8 for an outage


def _connect(dialect: Any, record: Any, arguments: Any, named: Any) -> Any:
    from ..services.database.timeouts import TimedConnection, connect_secs

    connection = TimedConnection.connect(*arguments, **{"connect_timeout": connect_secs(), **named})
    connection.prepare_threshold = None  # a pooler may lend another session, which does not know what is prepared
    return connection
