"""The services' databases: SQLAlchemy alone, so that PostgreSQL serves as well as SQLite."""

import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, DateTime, Engine, Text, create_engine, event, literal, select
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from ..schemas.base import canonical_json

T = TypeVar("T")
_ATTEMPTS = 5
_BUSY_TIMEOUT_MS = 10_000
_WRITES = "memory_graph_workers_writes"


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which knows no offsets, keeps it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn into UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the offset back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as its canonical text, because a text column carries every Unicode and both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write the canonical text."""
        return canonical_json(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read it."""
        return None if value is None else json.loads(value)


class Storage:
    """One service's database."""

    def __init__(self, url: str, tables: type[DeclarativeBase], threads: int = 1) -> None:
        self._metadata = tables.metadata
        self._engine = _engine(url, threads)
        self._writing = self._engine.execution_options(**{_WRITES: True})

    def create(self) -> None:
        """Make the tables that are not there yet."""
        with self._writing.begin() as connection:
            self._metadata.create_all(connection)

    @contextmanager
    def read(self) -> Generator[Session]:
        """A transaction that only looks."""
        with Session(self._engine) as session, session.begin():
            yield session

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction, again where another writer made the same row first."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._write(work)
            except IntegrityError:
                continue
        return self._write(work)

    def check(self) -> None:
        """Look into a table.

        Raises: SQLAlchemyError where the database does not answer.
        """
        with self._engine.connect() as connection:
            connection.execute(select(literal(1)).select_from(self._metadata.sorted_tables[0]).limit(1)).all()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _write(self, work: Callable[[Session], T]) -> T:
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            return work(session)


def _engine(url: str, threads: int) -> Engine:
    # Without hide_parameters an error's text would quote what was being stored.
    engine = create_engine(url, hide_parameters=True, pool_size=threads, max_overflow=4, pool_timeout=10)
    if make_url(url).get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late for a transaction that reads first
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer is refused at once, whatever the busy timeout; so a writer says so first.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
