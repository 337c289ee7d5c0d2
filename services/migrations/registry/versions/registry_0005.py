"""Sessions that are reopened, and a filter by their end."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0005"
down_revision = "registry_0004"

_FIRST_AND_LAST_END = """
UPDATE session_blocks SET
    first_end = coalesce((
        SELECT min(coalesce(ended_at, started_at)) FROM sessions
        WHERE number >= block * 1024 AND number < block * 1024 + 1024 AND sessions.status = session_blocks.status
    ), first_start),
    last_end = coalesce((
        SELECT max(coalesce(ended_at, started_at)) FROM sessions
        WHERE number >= block * 1024 AND number < block * 1024 + 1024 AND sessions.status = session_blocks.status
    ), last_start)
"""


def upgrade() -> None:
    """Change the tables."""
    op.add_column("sessions", sa.Column("ending_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sessions", sa.Column("ending_status", sa.String(length=16), nullable=True))
    op.add_column("sessions", sa.Column("reopening_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session_blocks", sa.Column("first_end", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session_blocks", sa.Column("last_end", sa.DateTime(timezone=True), nullable=True))
    op.execute(_FIRST_AND_LAST_END)
    with op.batch_alter_table("session_blocks") as batch:
        batch.alter_column("first_end", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch.alter_column("last_end", existing_type=sa.DateTime(timezone=True), nullable=False)
