"""Connections to SQLite and PostgreSQL: one way to open them for the services' work, one for migrations."""

import sqlite3
import time
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

from .timeouts import PatientConnection, connect_secs

# How a transaction of a connection begins on SQLite: an execution option of the engine.
BEGIN = "memory_graph_workers_begin"
READING, WRITING, MIGRATING = "BEGIN", "BEGIN IMMEDIATE", "PRAGMA foreign_keys=OFF;BEGIN IMMEDIATE"
_BUSY_TIMEOUT_MS = 10_000
# Together below the 30 s that a client waits: what a statement may take, else how long a mute server is borne.
_LIMITS = "-c statement_timeout=8s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
_SPARE_CONNECTIONS = 4
_PRAGMAS = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON")


def working_engine(url: str, schema: str, threads: int) -> Engine:
    """An engine for a service's threads, a connection each; nothing waits longer than a client does."""
    pool = {"pool_size": threads, "max_overflow": _SPARE_CONNECTIONS, "pool_timeout": 10, "pool_pre_ping": True}
    engine = _engine(make_url(url), schema, _LIMITS, **pool)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", _connect_patiently)
    return engine


def migrating_engine(url: str, schema: str) -> Engine:
    """An engine for one migration, which takes the time it needs and keeps no connection."""
    return _engine(make_url(url), schema, "", poolclass=NullPool).execution_options(**{BEGIN: MIGRATING})


def _engine(url: URL, schema: str, limits: str, **options: Any) -> Engine:
    # Without hide_parameters an error's text would quote what was being stored.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, **options)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Options of the connection and not a SET: they are the session's defaults, so that no reset undoes them.
    given = url.query.get("options", "")
    asked = [given if isinstance(given, str) else " ".join(given), limits, f"-c search_path={schema}"]
    return create_engine(url, hide_parameters=True, connect_args={"options": " ".join(asked).strip()}, **options)


def _connect_patiently(dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> psycopg.Connection:
    return PatientConnection.connect(*arguments, **{"connect_timeout": connect_secs(), **named})


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late for a transaction that reads first
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log; SQLite does not wait, whatever its busy timeout, for another that switches to it."""
    end = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer is refused at once, whatever the busy timeout; so a writer says so first.
    # A migration may make a table anew, whose rows must not be taken for deleted ones by those that refer to them.
    for statement in connection.get_execution_options().get(BEGIN, READING).split(";"):
        connection.exec_driver_sql(statement)
