"""The outbox as the relay sees it: rows are taken in the order of their ids, and forgotten once they were sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    LargeBinary,
    String,
    cast,
    create_engine,
    event,
    func,
    make_url,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from .table import outbox_table

_BATCH_ROWS = 500
_BATCH_CHARACTERS = 16 * 2**20  # one row may be larger
_SQLITE_WAITS_SECS = 5
# Who counts millions of rows must not hold up a relay; a time is read as text, because it may be infinite.
_COUNTING = "SET LOCAL statement_timeout = '2s'; SET LOCAL DateStyle = 'ISO'"
# A relay that vanishes with its machine holds its rows no longer than this; sending a batch takes seconds at most.
_LIMITS = (
    "SET LOCAL statement_timeout = '8s'; SET LOCAL lock_timeout = '5s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'"
)


class Row(NamedTuple):
    """A task that waits; its parameters are JSON, if its writer kept to the rules.

    SQLite takes any bytes for an id or a name: those that are no text stay bytes here.
    """

    id: str | bytes
    task: str | bytes
    parameters: str


class Backlog(NamedTuple):
    """How many rows wait, and since when the first has."""

    rows: int
    oldest_at: datetime | None

    @property
    def oldest_secs(self) -> float:
        """How long the first row waits; 0 if none does, or if the database's clock is ahead of ours."""
        return max(0.0, (datetime.now(UTC) - self.oldest_at).total_seconds()) if self.oldest_at else 0.0


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
    wanted = select(table.c.id, table.c.task, table.c.parameters).where(_is_one_of(ids)).order_by(table.c.id)
    rows = [Row(row.id, row.task, _text(row.parameters)) for row in connection.execute(wanted)] if ids else []
    if not locks:
        connection.commit()
    return rows


def forget(connection: Connection, ids: Sequence[str | bytes]) -> None:
    """Delete rows, and commit."""
    table = outbox_table()
    if ids:
        connection.execute(table.delete().where(_is_one_of(ids)))
    connection.commit()


def backlog_of(engine: Engine) -> Backlog | None:
    """Count what waits, the rows of other relays included; None if the database does not say so within seconds."""
    try:
        with engine.connect() as connection:
            return _backlog(connection)
    except SQLAlchemyError:
        return None


def can_read(engine: Engine) -> bool:
    """Whether the database has an outbox, and lets it be read now."""
    try:
        with engine.connect() as connection:
            connection.execute(select(outbox_table().c.id).limit(1)).all()
    except SQLAlchemyError:
        return False
    return True


def _backlog(connection: Connection) -> Backlog:
    table = outbox_table()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_COUNTING)
    oldest = cast(func.min(table.c.created_at), String)  # in SQLite a text anyway, that anybody may have written
    rows, since = connection.execute(select(func.count(), oldest).select_from(table)).one()
    connection.commit()
    return Backlog(rows, _time(since))


def _is_one_of(ids: Sequence[str | bytes]) -> Any:
    """Return the condition that a row has one of these ids."""
    known, texts = outbox_table().c.id, [one for one in ids if isinstance(one, str)]
    other = [one for one in ids if isinstance(one, bytes)]
    as_bytes = cast(known, LargeBinary)  # which no index has, so it is asked for only where it must be
    return or_(known.in_(texts), as_bytes.in_(other)) if other else known.in_(texts)


def _as_many_as_fit(sizes: Sequence[Any]) -> list[str | bytes]:
    found: list[str | bytes] = []
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


def _text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _read_any_text(connection: Any, record: Any) -> None:
    connection.text_factory = _text_or_bytes  # the driver would take what is no UTF-8 for an outage


def _connect(dialect: Any, record: Any, arguments: Any, named: Any) -> Any:
    from ..services.database.timeouts import TimedConnection, connect_secs

    connection = TimedConnection.connect(*arguments, **{"connect_timeout": connect_secs(), **named})
    connection.prepare_threshold = None  # a pooler may lend another session, which does not know what is prepared
    return connection
