"""The table of waiting tasks, in the application's own database. SQLAlchemy is imported only where it is used."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

TABLE = "memory_graph_outbox"
_HOW = "Create it with memory_graph_workers.outbox.create(engine), or in a migration: see docs/outbox.md."
_POSTGRESQL_SAYS = "42P01"  # undefined_table


class MissingTable(Exception):
    """The database has no outbox.

    Create its table with `memory_graph_workers.outbox.create(engine)`, or in a migration.
    """

    showable = True

    def __init__(self) -> None:
        super().__init__(f"The database has no table {TABLE}. {_HOW}")


@cache
def outbox_table() -> "Table":
    """The table as SQLAlchemy knows it: the task's id, its name, its parameters as JSON, and when it was written."""
    from sqlalchemy import Column, DateTime, MetaData, String, Table, Text, func

    return Table(
        TABLE,
        MetaData(),
        Column("id", String(256), primary_key=True),
        Column("task", String(256), nullable=False),
        Column("parameters", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.current_timestamp()),
    )


def create(bind: "Engine | Connection") -> None:
    """Create the table, unless it is there; a connection of Alembic (`op.get_bind()`) does as well as an engine."""
    outbox_table().create(bind, checkfirst=True)


def is_missing_table(error: BaseException) -> bool:
    """Whether a database, through any driver, says that it has no outbox, and means that of no other table."""
    return any(_says_so(cause) for cause in (getattr(error, "orig", error), error.__cause__))


def _says_so(cause: Any) -> bool:
    said = str(cause)
    if _POSTGRESQL_SAYS in (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None)):
        return TABLE in said
    return f"no such table: {TABLE}" in said
