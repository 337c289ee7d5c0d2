"""A table of the keys of usage reports."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0004"
down_revision = "registry_0003"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "usage_keys",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fields", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("usage_keys_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_keys_by_day", "usage_keys", ["day"], unique=False)
