"""Insert a row, or leave or update the existing one, in one statement for both databases."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_INSERTS: dict[str, Callable[[Any], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def upsert(
    session: Session, table: Any, key: Sequence[str], row: dict[str, Any], changes: Callable[[Any], dict[str, Any]]
) -> None:
    """Insert `row`; if its key exists, update that row with what `changes` makes of the new one."""
    statement = _INSERTS[session.get_bind().dialect.name](table).values(row)
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=changes(statement.excluded)))


def insert_if_absent(session: Session, table: Any, row: dict[str, Any]) -> bool:
    """Insert `row` unless its key exists; return whether it was inserted. Waits for a writer of the same key."""
    statement = _INSERTS[session.get_bind().dialect.name](table).values(row).on_conflict_do_nothing()
    return session.execute(statement.returning(*table.__table__.primary_key)).first() is not None


def least(one: Any, other: Any) -> ColumnElement[Any]:
    """The smaller of two columns; the databases have different names for this function."""
    return case((other < one, other), else_=one)


def greatest(one: Any, other: Any) -> ColumnElement[Any]:
    """The greater of two columns."""
    return case((other > one, other), else_=one)
