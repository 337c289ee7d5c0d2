"""The migrations of every service's tables, run by Alembic."""
