"""Run by Alembic: applies the revisions in the transaction that was opened for them."""

from typing import Any, Literal

from alembic import context


def render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """A column's type written without our code, so that a revision does not change when the code does."""
    plain = {"UtcDateTime": "sa.DateTime(timezone=True)", "JsonText": "sa.Text()"}
    return plain.get(type(item).__name__, False) if kind == "type" else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes.get("tables"),
    render_item=render,
    render_as_batch=True,  # SQLite alters a table by recreating it
)
with context.begin_transaction():
    context.run_migrations()
