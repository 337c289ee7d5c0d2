"""Connections to SQLite and PostgreSQL: for a service's requests, and for migrations."""

import sqlite3
import time
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

from .liveness import check_idle_connections
from .timeouts import TimedConnection, connect_secs

# An execution option of the engine: what a transaction is for, which decides the statements that begin it.
BEGIN = "memory_graph_workers_begin"
READING, WRITING, MIGRATING = "reading", "writing", "migrating"
# SQLite reads one snapshot anyway; it refuses a reader that becomes a writer at once, whatever the busy timeout.
# Foreign keys are off in a migration: it may recreate a table, which must not delete the rows that refer to it.
BEGIN_WRITING = "BEGIN IMMEDIATE"
_ON_SQLITE = {READING: "BEGIN", WRITING: BEGIN_WRITING, MIGRATING: f"PRAGMA foreign_keys=OFF;{BEGIN_WRITING}"}
_ON_POSTGRESQL = {READING: "BEGIN ISOLATION LEVEL REPEATABLE READ", WRITING: "BEGIN"}
_BUSY_TIMEOUT_MS = 10_000
# A client waits 30 s: a statement, or the wait for a server that does not respond, must end well before.
_LIMITS = "-c statement_timeout=8s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
_SPARE_CONNECTIONS = 4
_PRAGMAS = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON")


def service_engine(url: str, schema: str, threads: int) -> Engine:
    """An engine with a connection for each of a service's threads; no statement takes longer than a client waits."""
    pool = {"pool_size": threads, "max_overflow": _SPARE_CONNECTIONS, "pool_timeout": 10}
    engine = _engine(make_url(url), schema, _LIMITS, **pool)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", _connect_in_time)
        _begin_with(engine, _ON_POSTGRESQL)
        check_idle_connections(engine)
    return engine


def migration_engine(url: str, schema: str) -> Engine:
    """An engine for one migration, without time limits and without a pool."""
    return _engine(make_url(url), schema, "", poolclass=NullPool).execution_options(**{BEGIN: MIGRATING})


def _engine(url: URL, schema: str, limits: str, **options: Any) -> Engine:
    # Without hide_parameters an error's text would quote the values being stored.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, **options)
        event.listen(engine, "connect", _set_up_sqlite)
        _begin_with(engine, _ON_SQLITE)
        return engine
    # Connection options, not SET: they become the session's defaults, which no reset undoes.
    given = url.query.get("options", "")
    # In UTC, because the driver cannot read the last day of the calendar in a time zone east of it.
    fixed = f"-c search_path={schema} -c timezone=UTC"
    asked = [given if isinstance(given, str) else " ".join(given), limits, fixed]
    return create_engine(url, hide_parameters=True, connect_args={"options": " ".join(asked).strip()}, **options)


def _connect_in_time(dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> psycopg.Connection:
    # A statement by itself is a transaction; one of several statements says where it begins.
    timed = {"connect_timeout": connect_secs(), "autocommit": True, **named}
    connection = TimedConnection.connect(*arguments, **timed)
    connection.adapters.register_loader("timestamptz", _TimeLoader)
    return connection


class _TimeLoader(Loader):
    """Reads a time; of one that Python cannot hold, such as `infinity`, its bytes: the driver would fail all rows."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        usual = psycopg.adapters.get_loader(oid, psycopg.pq.Format.TEXT)
        self._load = usual(oid, context).load if usual else bytes

    def load(self, data: Buffer) -> Any:
        """Return the time or the bytes."""
        try:
            return self._load(data)
        except psycopg.DataError:
            return bytes(data)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # the driver begins too late for a transaction that reads first
    connection.text_factory = _text
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()
    _enable_write_ahead_log(connection)


def _text(stored: bytes) -> str:
    """Return text, also what is no UTF-8, which the driver would take for an outage; no schema accepts that."""
    return stored.decode("utf-8", "surrogateescape")


def _enable_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; retries, because SQLite ignores its busy timeout while another process switches."""
    end = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin_with(engine: Engine, beginnings: dict[str, str]) -> None:
    def begin(connection: Connection) -> None:
        for statement in beginnings[connection.get_execution_options().get(BEGIN, READING)].split(";"):
            connection.exec_driver_sql(statement)

    event.listen(engine, "begin", begin)
