"""Constant statements, handed to the driver: SQLAlchemy would take several times what the database takes."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Engine, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from .connection import ServiceConnection
from .engines import BEGIN_WRITING

T = TypeVar("T")
Values = Any  # of one statement: a tuple or a dict; a list of dicts runs it for each


class Run:
    """Runs statements on one connection, each with its values, and returns their rows; in PostgreSQL all have some."""

    def __init__(self, dialect: Dialect, execute: Callable[[str, Values], list[Any]]) -> None:
        self.dialect, self._execute = dialect, execute

    def __call__(self, statement: str, values: Values) -> list[Any]:
        """Run a statement in the driver's own words."""
        return self._execute(statement, values)

    def select(self, statement: Select[*tuple[Any, ...]], **values: Any) -> list[tuple[Any, ...]]:
        """Run a SELECT that is made once: it is compiled at its first run only."""
        written, order, readers = _compiled(statement, self.dialect)
        rows = self._execute(written, tuple(values[name] for name in order) if order else values)
        return [
            tuple(value if read is None else read(value) for read, value in zip(readers, row, strict=True))
            for row in rows
        ]


class Driver:
    """A pool's connections without SQLAlchemy's transactions; the driver's errors are raised as SQLAlchemy's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_postgresql = engine.dialect.name == "postgresql"

    def read(self, work: Callable[[Run], T]) -> T:
        """Run `work`, each of whose statements sees a snapshot of its own."""
        with self._connection() as connection:
            return work(Run(self._engine.dialect, _executing(connection)))

    def write(self, work: Callable[[Run], T]) -> T:
        """Run `work` in a transaction; in PostgreSQL each of its statements is one by itself, in one round trip."""
        if self._is_postgresql:
            return self.read(work)
        with self._connection() as connection:
            connection.execute(BEGIN_WRITING)
            done = work(Run(self._engine.dialect, _executing(connection)))
            connection.commit()  # after an error the pool rolls back
            return done

    @contextmanager
    def _connection(self) -> Generator[Any]:
        dialect = self._engine.dialect
        pooled: Any = None
        try:
            pooled = self._engine.raw_connection()
            yield pooled.dbapi_connection
        except dialect.loaded_dbapi.Error as error:
            is_lost = pooled is not None and dialect.is_disconnect(error, pooled.dbapi_connection, None)
            if pooled is not None and is_lost:
                pooled.invalidate(error)
            raise self._told(error, is_lost) from error
        finally:
            if pooled is not None:
                pooled.close()

    def _told(self, error: Any, is_lost: bool) -> DBAPIError:
        """Make SQLAlchemy's error of the driver's."""
        dialect = self._engine.dialect
        base: Any = dialect.loaded_dbapi.Error
        return DBAPIError.instance(
            None, None, error, base, hide_parameters=True, connection_invalidated=is_lost, dialect=dialect
        )


def run_in(session: Session) -> Run:
    """Run statements in a session's transaction."""
    connection = session.connection()

    def execute(statement: str, values: Values) -> list[Any]:
        found = connection.exec_driver_sql(statement, values)
        return list(found) if found.returns_rows else []

    return Run(connection.dialect, execute)


def _executing(connection: Any) -> Callable[[str, Values], list[Any]]:
    if isinstance(connection, ServiceConnection):
        return connection.run_alone

    def execute(statement: str, values: Values) -> list[Any]:
        many = isinstance(values, list)
        return (connection.executemany if many else connection.execute)(statement, values).fetchall()

    return execute


@cache
def _compiled(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> tuple[str, list[str] | None, list[Any]]:
    """A statement's text, the order of its values if they have no names, and what reads the values of a row."""
    compiled = statement.compile(dialect=dialect)
    types = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
    return str(compiled), compiled.positiontup, [kind.result_processor(dialect, None) for kind in types]
