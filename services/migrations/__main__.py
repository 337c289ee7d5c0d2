"""`python -m memory_graph_workers.services.migrations SERVICE MESSAGE`: draft the next revision, for developers."""

import argparse
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from ..database.migrate import FOLDER, Migrations
from ..databases import DATABASES


def main() -> int:
    """Write the differences between the code's tables and the revisions' as a new revision."""
    parser = argparse.ArgumentParser(prog="memory_graph_workers.services.migrations")
    parser.add_argument("service", choices=sorted(DATABASES))
    parser.add_argument("message")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draft(chosen.service, chosen.message, f"sqlite:///{Path(folder) / 'draft.db'}")
    return 0


def draft(service: str, message: str, url: str, folder: Path = FOLDER) -> None:
    """Write the next revision of a service's tables; `url` is an empty database to apply the earlier ones to."""
    tables = DATABASES[service].tables
    migrations = Migrations(url, tables, folder)
    migrations.upgrade()
    config = migrations.config()
    with create_engine(url).connect() as connection:
        config.attributes.update(connection=connection, tables=tables)
        command.revision(config, message, autogenerate=True, rev_id=_next(migrations))


def _next(migrations: Migrations) -> str:
    """`registry_0002` after `registry_0001`."""
    known = list(ScriptDirectory.from_config(migrations.config()).walk_revisions())
    return f"{migrations.schema}_{len(known) + 1:04}"


if __name__ == "__main__":
    sys.exit(main())
