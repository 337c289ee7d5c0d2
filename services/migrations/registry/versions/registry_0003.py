"""Usage reports lose their metadata with their session: those of sessions that are gone lose it now."""

from alembic import op

revision = "registry_0003"
down_revision = "registry_0002"


def upgrade() -> None:
    """Change the tables."""
    op.execute("UPDATE usage_reports SET details = '{}' WHERE session_number IS NULL AND details <> '{}'")
