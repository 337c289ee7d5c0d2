"""Connections to SQLite and PostgreSQL: for a service's requests, and for migrations."""

import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

from .connection import ServiceConnection, connect
from .liveness import check_idle_connections

# An execution option of the engine: what a transaction is for, which decides the statements that begin it.
BEGIN = "memory_graph_workers_begin"
READING, WRITING, MIGRATING = "reading", "writing", "migrating"
# SQLite reads one snapshot anyway; it refuses a reader that becomes a writer at once, whatever the busy timeout.
# Foreign keys are off in a migration: it may recreate a table, which must not delete the rows that refer to it.
BEGIN_WRITING = "BEGIN IMMEDIATE"
_ON_SQLITE = {READING: "BEGIN", WRITING: BEGIN_WRITING, MIGRATING: f"PRAGMA foreign_keys=OFF;{BEGIN_WRITING}"}
_ON_POSTGRESQL = {READING: "BEGIN ISOLATION LEVEL REPEATABLE READ", WRITING: "BEGIN"}
_BUSY_TIMEOUT_MS = 10_000
_SPARE_CONNECTIONS = 4
_PRAGMAS = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON")


def service_engine(url: str, schema: str, threads: int) -> Engine:
    """An engine with a connection for each of a service's threads; no statement takes longer than a client waits."""
    pool = {"pool_size": threads, "max_overflow": _SPARE_CONNECTIONS, "pool_timeout": 10}
    engine = _engine(make_url(url), **pool)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", partial(_connect, schema))
        event.listen(engine, "begin", _begin_on_postgresql)
        check_idle_connections(engine)
    return engine


def migration_engine(url: str, schema: str) -> Engine:
    """An engine for one migration, without time limits and without a pool."""
    engine = _engine(make_url(url), poolclass=NullPool).execution_options(**{BEGIN: MIGRATING})
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _prepare_nothing)
        event.listen(engine, "begin", partial(_begin_migrating, schema))
    return engine


def _engine(url: URL, **options: Any) -> Engine:
    engine = create_engine(url, hide_parameters=True, **options)  # else an error's text would quote what is stored
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_on_sqlite)
    return engine


def _connect(schema: str, dialect: Any, record: Any, arguments: Any, named: Any) -> ServiceConnection:
    return connect(schema, *arguments, **named)


def _prepare_nothing(connection: Any, record: Any) -> None:
    connection.prepare_threshold = None  # a pooler may lend another session, which does not know what is prepared


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


def _begin_on_sqlite(connection: Connection) -> None:
    for statement in _ON_SQLITE[_purpose(connection)].split(";"):
        connection.exec_driver_sql(statement)


def _begin_on_postgresql(connection: Connection) -> None:
    own: Any = connection.connection.dbapi_connection
    connection.exec_driver_sql(";".join(filter(None, [_ON_POSTGRESQL[_purpose(connection)], own.opening])))


def _begin_migrating(schema: str, connection: Connection) -> None:
    # For the transaction alone: behind a pooler, the session is lent to others afterwards.
    connection.exec_driver_sql(f"SET LOCAL search_path={schema};SET LOCAL timezone='UTC'")


def _purpose(connection: Connection) -> str:
    return connection.get_execution_options().get(BEGIN, READING)
