"""When the Vault itself received each archive: for those from before, when they say they were archived, at most now.

An archive's row holds its content, so a row is written only where that time is still to come. In all others it stays
empty, which the Vault reads as the time that they say.
"""

import sqlalchemy as sa
from alembic import op

revision = "vault_0002"
down_revision = "vault_0001"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Change the tables; `kept_until` stays as it is."""
    _add_to_archives()
    _add_to_deletions()


def _add_to_archives() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    now = sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now") if on_sqlite else sa.func.now()
    op.add_column("archives", sa.Column("received_at", TIME, nullable=True))
    rows = sa.table("archives", sa.column("archived_at", TIME), sa.column("received_at", TIME))
    op.execute(rows.update().where(rows.c.archived_at > now).values(received_at=now))


def _add_to_deletions() -> None:
    with op.batch_alter_table("deletions") as batch:
        batch.add_column(sa.Column("received_at", TIME, nullable=True))
    rows = sa.table(
        "deletions", sa.column("archived_at", TIME), sa.column("deleted_at", TIME), sa.column("received_at", TIME)
    )
    at_most = sa.case((rows.c.archived_at > rows.c.deleted_at, rows.c.deleted_at), else_=rows.c.archived_at)
    op.execute(rows.update().values(received_at=at_most))
    with op.batch_alter_table("deletions") as batch:
        batch.alter_column("received_at", nullable=False, existing_type=TIME)
