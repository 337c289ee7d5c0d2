"""When the Vault itself received each archive: for those from before, when they say they were archived, at most now."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "vault_0002"
down_revision = "vault_0001"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Change the tables; `kept_until` stays as it is."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    now = sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now") if on_sqlite else sa.func.now()
    _add_received_at("archives", now)
    _add_received_at("deletions", sa.column("deleted_at", TIME))


def _add_received_at(table: str, latest: sa.ColumnElement[Any]) -> None:
    with op.batch_alter_table(table) as batch:
        batch.add_column(sa.Column("received_at", TIME, nullable=True))
    rows = sa.table(table, sa.column("archived_at", TIME), sa.column("received_at", TIME))
    at_most = sa.case((rows.c.archived_at > latest, latest), else_=rows.c.archived_at)
    op.execute(rows.update().values(received_at=at_most))
    with op.batch_alter_table(table) as batch:
        batch.alter_column("received_at", nullable=False, existing_type=TIME)
