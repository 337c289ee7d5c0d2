"""Insert rows, or update the existing ones, in one statement for both databases, which is made once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_INSERTS: dict[str, Callable[[Any], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def upsert(
    session: Session,
    table: Any,
    key: tuple[str, ...],
    rows: Sequence[dict[str, Any]],
    changes: Callable[[Any], dict[str, Any]],
) -> None:
    """Insert rows; if one's key exists, update that row with what `changes` (a plain function) makes of the new one."""
    session.execute(_statement(session.get_bind().dialect.name, table, key, changes), rows)


def insert_or_replace(
    connection: Connection, table: Any, row: dict[str, Any], replaceable: Callable[[], ColumnElement[bool]]
) -> bool:
    """Insert a row, or replace the one with its primary key where `replaceable` (a plain function) says that it may be.

    Returns whether it was done; `row` may have more values, for the parameters of `replaceable`.
    """
    return connection.execute(_replacing(connection.dialect.name, table, replaceable), row).first() is not None


@cache
def _statement(dialect: str, table: Any, key: tuple[str, ...], changes: Callable[[Any], dict[str, Any]]) -> Any:
    statement = _INSERTS[dialect](table)
    return statement.on_conflict_do_update(index_elements=key, set_=changes(statement.excluded))


@cache
def _replacing(dialect: str, table: Any, replaceable: Callable[[], ColumnElement[bool]]) -> Any:
    columns = table.__table__.columns
    values = {one.columns[0].name: bindparam(one.key) for one in table.__mapper__.column_attrs}
    statement = _INSERTS[dialect](table.__table__).values(values)
    changes = {column.name: statement.excluded[column.name] for column in columns if not column.primary_key}
    key = [column.name for column in columns if column.primary_key]
    statement = statement.on_conflict_do_update(index_elements=key, set_=changes, where=replaceable())
    return statement.returning(*(columns[name] for name in key))


def least(one: Any, other: Any) -> ColumnElement[Any]:
    """The smaller of two columns; the databases have different names for this function."""
    return case((other < one, other), else_=one)


def greatest(one: Any, other: Any) -> ColumnElement[Any]:
    """The greater of two columns."""
    return case((other > one, other), else_=one)
