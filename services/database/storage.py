"""A service's database, through SQLAlchemy alone, so that SQLite and PostgreSQL both work."""

import json
import random
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from sqlalchemy import BigInteger, DateTime, Integer, MetaData, Text, literal, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from ...schemas.canonical import canonical_json
from ...tracing.context import trace_id
from ...tracing.spans import span
from .driver import Driver, Run
from .engines import BEGIN, WRITING, service_engine
from .migrate import Migrations
from .timeouts import health_check_timeout

T = TypeVar("T")
BROKEN = object()  # stands for a JSON value that cannot be read; no schema accepts it
_NOTHING = nullcontext()
_ATTEMPTS = 5
_PAUSE_SECS = 0.02
# InternalError: PostgreSQL refuses to write since it became a standby. Any other error is the data's fault, or ours.
_OUTAGES = (OperationalError, InterfaceError, InternalError, PoolTimeout)
_DEADLOCK, _SERIALIZATION = "40P01", "40001"
# What PostgreSQL refuses because of others: also a lock that was not free in time, and a statement that took too long.
_OF_ONE_CALL = {_DEADLOCK, _SERIALIZATION, "55P03", "57014"}

# SQLite numbers rows itself only if the column is a plain INTEGER.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

# A migration can only drop or alter what has a name.
_NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_unique",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class WriteConflict(Exception):
    """Another writer did the same meanwhile; `Storage.write` runs the work again."""


def new_metadata(service: str) -> MetaData:
    """Empty metadata for one service's tables; its records add them."""
    return MetaData(naming_convention=_NAMES, info={"service": service})


def is_outage(error: Exception) -> bool:
    """Whether the database is away, so that the same call may succeed later."""
    return isinstance(error, _OUTAGES) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def is_away(error: Exception) -> bool:
    """Whether the database is away for every call, and has not only refused this one."""
    refused = getattr(getattr(error, "orig", None), "sqlstate", None) in _OF_ONE_CALL
    return is_outage(error) and not refused


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which stores no offsets, keeps it without one.

    What is no time, or one that Python cannot hold, is read as BROKEN, so that it spoils its own row alone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Read a time, or BROKEN."""
        read = cast("Callable[[Any], Any]", super().result_processor(dialect, coltype))

        def read_or_broken(value: Any) -> Any:
            try:
                return read(value)
            except (ValueError, TypeError, AttributeError):
                return BROKEN

        return read_or_broken

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore the offset."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value stored as canonical text, which holds all of Unicode in both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write the canonical text."""
        return canonical_json(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Parse the text; text that is no JSON becomes BROKEN, so that it spoils its own row alone."""
        try:
            return None if value is None else json.loads(value)
        except ValueError:
            return BROKEN


class Storage:
    """One service's database."""

    def __init__(self, url: str, tables: type[DeclarativeBase], threads: int = 1) -> None:
        self._metadata = tables.metadata
        self._migrations = Migrations(url, tables.metadata)
        self._engine = service_engine(url, self._migrations.schema, threads)
        self._writing = self._engine.execution_options(**{BEGIN: WRITING})
        self._driver = Driver(self._engine)
        self._name: str = tables.metadata.info["service"]
        self._facts = {"db.system.name": self._engine.dialect.name, "db.namespace": self._name}

    def create(self) -> None:
        """Create the tables in an empty database; check that any other has the tables this release needs.

        Raises: ValueError saying what to do if it has not.
        """
        self._migrations.prepare()

    @contextmanager
    def read(self) -> Generator[Session]:
        """A read-only transaction that sees one snapshot throughout."""
        with self._recorded("read"), Session(self._engine) as session, session.begin():
            yield session

    def read_at_once(self, work: Callable[[Run], T]) -> T:
        """Read by constant statements, each of which sees a snapshot of its own."""
        with self._recorded("read"):
            return self._driver.read(work)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction; run it again after a conflict with another writer."""
        with self._recorded("write"):
            return _unless_conflict(lambda: self._write(work))

    def write_at_once(self, work: Callable[[Run], T]) -> T:
        """Run `work` as `write` does, but by constant statements.

        In PostgreSQL each of them is a transaction by itself, so only one of them may write.
        """
        with self._recorded("write"):
            return _unless_conflict(lambda: self._driver.write(work))

    def check(self) -> None:
        """Read from a table, within a few seconds.

        Raises: SQLAlchemyError if the database does not respond.
        """
        with health_check_timeout(), self._engine.connect() as connection:
            connection.execute(select(literal(1)).select_from(self._metadata.sorted_tables[0]).limit(1)).all()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _recorded(self, operation: str) -> AbstractContextManager[Any]:
        """Record a transaction of a traced request as a span, without its statements."""
        if trace_id() is None:
            return _NOTHING
        return span(f"{operation} {self._name}", "CLIENT", self._facts, is_current=False, failure=SQLAlchemyError)

    def _write(self, work: Callable[[Session], T]) -> T:
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            return work(session)


def _unless_conflict(write: Callable[[], T]) -> T:
    for attempt in range(1, _ATTEMPTS):
        try:
            return write()
        except (DBAPIError, WriteConflict) as error:
            if not _is_write_conflict(error):
                raise
            time.sleep(random.uniform(0, _PAUSE_SECS * attempt))
    return write()


def _is_write_conflict(error: DBAPIError | WriteConflict) -> bool:
    """Whether another writer inserted the same row first, or PostgreSQL chose this transaction to abort."""
    if isinstance(error, IntegrityError | WriteConflict):
        return True
    return getattr(error.orig, "sqlstate", None) in {_DEADLOCK, _SERIALIZATION}
