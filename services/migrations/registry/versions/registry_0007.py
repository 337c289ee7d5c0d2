"""A table of the newest usage report of each day, by which old ones are found."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0007"
down_revision = "registry_0006"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "usage_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("usage_days_pkey")),
    )
