"""Connections to SQLite and PostgreSQL: one way to open them for the services' work, one for migrations."""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

# How a transaction of a connection begins on SQLite: an execution option of the engine.
BEGIN = "memory_graph_workers_begin"
READING, WRITING, MIGRATING = "BEGIN", "BEGIN IMMEDIATE", "PRAGMA foreign_keys=OFF;BEGIN IMMEDIATE"
_BUSY_TIMEOUT_MS = 10_000
_SPARE_CONNECTIONS = 4
_PRAGMAS = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


def working_engine(url: str, schema: str, threads: int) -> Engine:
    """An engine for a service's threads, a connection each."""
    return _engine(make_url(url), schema, pool_size=threads, max_overflow=_SPARE_CONNECTIONS, pool_timeout=10)


def migrating_engine(url: str, schema: str) -> Engine:
    """An engine for one migration, which takes the time it needs and keeps no connection."""
    return _engine(make_url(url), schema, poolclass=NullPool).execution_options(**{BEGIN: MIGRATING})


def _engine(url: URL, schema: str, **options: Any) -> Engine:
    # Without hide_parameters an error's text would quote what was being stored.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, **options)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(url, hide_parameters=True, connect_args={"options": _session_options(url, schema)}, **options)


def _session_options(url: URL, schema: str) -> str:
    # Options of the connection and not a SET: they are the session's defaults, so that no reset undoes them.
    given = url.query.get("options", "")
    return f"{given if isinstance(given, str) else ' '.join(given)} -c search_path={schema}".strip()


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late for a transaction that reads first
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer is refused at once, whatever the busy timeout; so a writer says so first.
    # A migration may make a table anew, whose rows must not be taken for deleted ones by those that refer to them.
    for statement in connection.get_execution_options().get(BEGIN, READING).split(";"):
        connection.exec_driver_sql(statement)
