"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "memory_graph_0001"
down_revision = None


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "sessions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("sessions_pkey")),
        sa.UniqueConstraint("session_id", name=op.f("sessions_session_id_unique")),
    )
    op.create_table(
        "nodes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("node_id", sa.String(length=256), nullable=False),
        sa.Column("session_number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("node_type", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_number"], ["sessions.number"], name=op.f("nodes_session_number_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("nodes_pkey")),
        sa.UniqueConstraint("node_id", name=op.f("nodes_node_id_unique")),
    )
    op.create_index("nodes_by_session", "nodes", ["session_number", "number"], unique=False)
