"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "vault_0001"
down_revision = None


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "answers",
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_mark", sa.String(length=100), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("route", "key", name=op.f("answers_pkey")),
    )
    op.create_index(op.f("answers_kept_until"), "answers", ["kept_until"], unique=False)
    op.create_table(
        "archives",
        sa.Column("archive_id", sa.String(length=256), nullable=False),
        sa.Column("session_id", sa.String(length=256), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("kept_days", sa.Integer(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy_id", sa.String(length=256), nullable=True),
        sa.PrimaryKeyConstraint("archive_id", name=op.f("archives_pkey")),
    )
    op.create_index(op.f("archives_session_id"), "archives", ["session_id"], unique=False)
    op.create_index(op.f("archives_key_id_archive_id"), "archives", ["key_id", "archive_id"], unique=False)
    op.create_index(
        op.f("archives_policy_id_kept_until_archive_id"),
        "archives",
        ["policy_id", "kept_until", "archive_id"],
        unique=False,
    )
    op.create_table(
        "deletions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("archive_id", sa.String(length=256), nullable=False),
        sa.Column("session_id", sa.String(length=256), nullable=False),
        sa.Column("policy_id", sa.String(length=256), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("deletions_pkey")),
    )
    op.create_index(op.f("deletions_archive_id"), "deletions", ["archive_id"], unique=False)
    op.create_index(op.f("deletions_session_id"), "deletions", ["session_id"], unique=False)
    op.create_table(
        "policies",
        sa.Column("policy_id", sa.String(length=256), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("auto_delete", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("policy_id", name=op.f("policies_pkey")),
    )
