"""The revisions of every service's tables, run by Alembic."""
