"""Give one service's database the tables that this release needs, or say why that is impossible."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, func, inspect, make_url, select, text
from sqlalchemy.schema import CreateSchema

from .engines import migration_engine

FOLDER = Path(__file__).parents[1] / "migrations"
_LOCK_WAIT = "60s"
_LOCK_NAME = "memory_graph_workers.{schema}"


class State(StrEnum):
    """How a database's tables relate to this release."""

    EMPTY = "empty"
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"
    FOREIGN = "another service's"
    UNVERSIONED = "without a version"


_EXPLANATIONS = {
    State.BEHIND: "is at {found}, and this release needs {wanted}; run: mgw migrate {service}",
    State.AHEAD: "is at {found}, which this release does not know; run the release that made it, or restore a backup",
    State.FOREIGN: "holds the tables of another service ({found}); an SQLite file holds one service: name another file",
    State.UNVERSIONED: "holds tables but no version; name an empty database, or restore a backup of this one",
}


@dataclass(frozen=True)
class DatabaseStatus:
    """Which revision a service's database has, and which one this release needs."""

    service: str
    state: State
    found: str | None
    wanted: str

    @property
    def is_due(self) -> bool:
        """Whether a migration is due."""
        return self.state in {State.EMPTY, State.BEHIND}

    @property
    def is_current(self) -> bool:
        """Whether the database has the tables that this release needs."""
        return self.state is State.CURRENT

    def explain(self) -> str:
        """Say what is wrong, and what to do."""
        named = {"found": self.found, "wanted": self.wanted, "service": self.service}
        return f"The {self.service}'s database {_EXPLANATIONS[self.state].format(**named)}."


class Migrations:
    """One service's database and the revisions of its tables."""

    def __init__(self, url: str, tables: MetaData, folder: Path = FOLDER) -> None:
        self.service = str(tables.info["service"])
        self.schema = self.service.replace("-", "_")
        self._url, self._folder = url, folder

    def status(self) -> DatabaseStatus:
        """Which revision the database has; changes nothing."""
        if self._is_missing_file():
            return DatabaseStatus(self.service, State.EMPTY, None, self._wanted())
        with self._locked() as connection:
            return self._current_status(connection)

    def prepare(self) -> None:
        """Create the tables in an empty database.

        Raises: ValueError if the database holds anything but the tables that this release needs.
        """
        with self._locked() as connection:
            status = self._current_status(connection)
            if status.state is State.EMPTY:
                self._upgrade(connection)
            elif not status.is_current:
                raise ValueError(status.explain())

    def upgrade(self) -> DatabaseStatus:
        """Create or migrate the tables, all or nothing; returns the status from before.

        Raises: ValueError if no migration leads to what this release needs.
        """
        with self._locked() as connection:
            status = self._current_status(connection)
            if status.is_due:
                self._upgrade(connection)
            elif not status.is_current:
                raise ValueError(status.explain())
            return status

    def config(self) -> Config:
        """Alembic's configuration, which needs no file."""
        config = Config()
        versions = self._folder / self.schema / "versions"
        options = {"script_location": self._folder, "version_locations": versions, "path_separator": "newline"}
        for name, value in options.items():
            config.set_main_option(name, str(value).replace("%", "%%"))
        config.set_main_option("file_template", "%%(rev)s")
        return config

    def _current_status(self, connection: Connection) -> DatabaseStatus:
        heads = MigrationContext.configure(connection).get_current_heads()
        found = ", ".join(sorted(heads)) or None
        return DatabaseStatus(self.service, self._state(connection, found), found, self._wanted())

    def _state(self, connection: Connection, found: str | None) -> State:
        if found is None:
            others = set(inspect(connection).get_table_names()) - {"alembic_version"}
            return State.UNVERSIONED if others else State.EMPTY
        if found == self._wanted():
            return State.CURRENT
        if found.rpartition("_")[0] != self.schema:
            return State.FOREIGN
        known = {script.revision for script in self._scripts().walk_revisions()}
        return State.BEHIND if found in known else State.AHEAD

    def _upgrade(self, connection: Connection) -> None:
        is_postgresql = connection.dialect.name == "postgresql"
        if is_postgresql and not inspect(connection).has_schema(self.schema):
            connection.execute(CreateSchema(self.schema))
        config = self.config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if not is_postgresql and connection.execute(text("PRAGMA foreign_key_check")).first():
            raise ValueError(
                f"The migration would leave rows of the {self.service} without the rows they refer to; it was undone."
            )

    @contextmanager
    def _locked(self) -> Generator[Connection]:
        """A transaction that excludes every other look at or change of the service's tables."""
        engine = migration_engine(self._url, self.schema)
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
                key = func.hashtextextended(_LOCK_NAME.format(schema=self.schema), 0)
                connection.execute(select(func.pg_advisory_xact_lock(key)))
            yield connection

    def _is_missing_file(self) -> bool:
        url = make_url(self._url)
        file = url.database or ""
        return url.get_backend_name() == "sqlite" and not file.startswith("file:") and not Path(file).exists()

    def _wanted(self) -> str:
        return str(self._scripts().get_current_head())

    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config())
