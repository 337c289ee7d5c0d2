"""Insert rows, or update the existing ones, in one statement for both databases, which is made once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, case
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


@cache
def _statement(dialect: str, table: Any, key: tuple[str, ...], changes: Callable[[Any], dict[str, Any]]) -> Any:
    statement = _INSERTS[dialect](table)
    return statement.on_conflict_do_update(index_elements=key, set_=changes(statement.excluded))


def least(one: Any, other: Any) -> ColumnElement[Any]:
    """The smaller of two columns; the databases have different names for this function."""
    return case((other < one, other), else_=one)


def greatest(one: Any, other: Any) -> ColumnElement[Any]:
    """The greater of two columns."""
    return case((other > one, other), else_=one)
