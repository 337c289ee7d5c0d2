"""Where usage reports end: a new database for each run, with its sessions registered, counted exactly afterwards."""

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry.records import Base
from payloads import SESSIONS
from postgres import Postgres, postgres


@dataclass(frozen=True)
class Counted:
    """What a database holds: rows of reports, how many different ones, and the reports and tokens of both totals."""

    rows: int
    different: int
    of_sessions: tuple[int, int]
    of_models: tuple[int, int]

    def check(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Compare with what was sent.

        Raises: RuntimeError saying how many reports were lost or duplicated.
        """
        tokens = sum(report["total_tokens"] for report in reports)
        lost, duplicated = len(reports) - self.different, self.rows - self.different
        if lost or duplicated or {self.of_sessions, self.of_models} != {(len(reports), tokens)}:
            raise RuntimeError(f"{lost} of {len(reports)} reports were lost, {duplicated} duplicated; found {self}.")


class Database(ABC):
    """One open database of a run, whose `connection` gives rows in the manner of psycopg and sqlite3."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url, self._connection = url, connection

    @abstractmethod
    def progress(self) -> int:
        """How many reports are committed."""

    @abstractmethod
    def counted(self) -> Counted:
        """Count everything."""

    def _row(self, statement: str) -> list[int]:
        return [int(value or 0) for value in self._connection.execute(statement).fetchone()]


class OfRegistry(Database):
    """A Registry's database, filled with the sessions that the reports name."""

    def progress(self) -> int:
        """Read it off the sessions' totals, which are few rows."""
        return self._row("SELECT sum(reports) FROM session_usage")[0]

    def counted(self) -> Counted:
        """Count the rows, the numbers in them, and both totals."""
        path = "details::json->>'number'" if self.url.startswith("postgresql") else "details->>'number'"
        rows, different = self._row(f"SELECT count(*), count(DISTINCT {path}) FROM usage_reports")
        return Counted(rows, different, self._total("session_usage"), self._total("model_usage"))

    def _total(self, table: str) -> tuple[int, int]:
        reports, tokens = self._row(f"SELECT sum(reports), sum(total_tokens) FROM {table}")
        return reports, tokens


Opened = tuple[str, Any]  # the address of a new database, and a connection to it


class Place(ABC):
    """A kind of database: `pids` are the processes of its server, `processes` how many a service on it runs."""

    name: str
    processes: int
    pids: tuple[int, ...] = ()

    @abstractmethod
    def template(self, fill: Callable[[str], None]) -> str:
        """Fill a database once, which is copied from then on; returns its name."""

    @abstractmethod
    def copy(self, template: str = "", schema: str = "public") -> AbstractContextManager[Opened]:
        """Copy a template, or make an empty database, for one run; it is gone when the block ends."""

    @cached_property
    def _registry(self) -> str:
        return self.template(fill)

    @contextmanager
    def registry(self) -> Generator[OfRegistry]:
        """A new database for a Registry."""
        with self.copy(self._registry, "registry") as (url, connection):
            yield OfRegistry(url, connection)


class OnPostgres(Place):
    """Databases of a PostgreSQL server."""

    name, processes = "PostgreSQL", 2

    def __init__(self, server: Postgres) -> None:
        self._server, self.pids = server, (server.pid,)

    def template(self, fill: Callable[[str], None]) -> str:
        """Fill a database."""
        name = self._server.new_database()
        fill(self._server.url(name))
        return name

    @contextmanager
    def copy(self, template: str = "", schema: str = "public") -> Generator[Opened]:
        """Let PostgreSQL copy it."""
        name = self._server.new_database(template or "template1")
        url = self._server.url(name)
        try:
            with psycopg.connect(url, autocommit=True, options=f"-c search_path={schema}") as connection:
                yield url, connection
        finally:
            self._server.run(f"DROP DATABASE {name} WITH (FORCE)")


class OnSqlite(Place):
    """Files of SQLite."""

    name, processes = "SQLite", 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def template(self, fill: Callable[[str], None]) -> str:
        """Fill a file."""
        path = self._new_file()
        fill(f"sqlite:///{path}")
        return str(path)

    @contextmanager
    def copy(self, template: str = "", schema: str = "public") -> Generator[Opened]:
        """Copy the file, with what its log still holds."""
        path = self._new_file()
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            if template:
                with closing(sqlite3.connect(template)) as source:
                    source.backup(connection)
            yield f"sqlite:///{path}", connection
        finally:
            connection.close()
            for file in self._folder.glob(f"{path.name}*"):
                file.unlink()

    def _new_file(self) -> Path:
        return self._folder / f"{uuid4().hex}.db"


@contextmanager
def places(parent: Path) -> Generator[list[Place]]:
    """Both kinds, with their files below `parent`, until the block ends."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    with postgres(folder / "postgres") as server:
        yield [OnPostgres(server), OnSqlite(folder / "sqlite")]


def fill(url: str) -> None:
    """Create the Registry's tables, and register the sessions that the reports name."""
    storage = Storage(DatabaseUrl().deserialize(url), Base)
    storage.create()
    sessions = [SessionRegistration(session_id, "small-model") for session_id in SESSIONS]
    storage.write(lambda opened: [registry_sessions.register(opened, one, now()) for one in sessions])
    storage.close()
