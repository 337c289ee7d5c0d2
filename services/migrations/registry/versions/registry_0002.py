"""Sums of cached, reasoning and other tokens, which usage reports count in their metadata."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0002"
down_revision = "registry_0001"

KINDS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "tool_tokens", "audio_tokens")


def upgrade() -> None:
    """Change the tables."""
    for table in ("session_usage", "model_usage"):
        with op.batch_alter_table(table) as batch:
            for kind in KINDS:
                batch.add_column(sa.Column(kind, sa.BigInteger(), server_default="0", nullable=False))
