"""Where usage reports end: a new database for each run, with its sessions registered, counted exactly afterwards."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
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
from postgres import Postgres


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
    """A kind of database: `pids` are the processes of its server, `processes` how many a Registry on it runs."""

    name: str
    processes: int
    pids: tuple[int, ...] = ()

    @abstractmethod
    def empty(self) -> AbstractContextManager[Opened]:
        """Make an empty database; it is gone when the block ends."""

    @abstractmethod
    def filled(self) -> AbstractContextManager[Opened]:
        """Make one with a Registry's tables and the sessions; it is gone when the block ends."""

    @contextmanager
    def registry(self) -> Generator[OfRegistry]:
        """A new database for a Registry."""
        with self.filled() as (url, connection):
            yield OfRegistry(url, connection)


class OnPostgres(Place):
    """Databases of a PostgreSQL server."""

    name, processes = "PostgreSQL", 2

    def __init__(self, server: Postgres) -> None:
        self._server, self.pids = server, (server.pid,)
        self._filled = server.new_database()
        fill(server.url(self._filled))

    def empty(self) -> AbstractContextManager[Opened]:
        """Make an empty database."""
        return self._copy("template1", "public")

    def filled(self) -> AbstractContextManager[Opened]:
        """Copy the one that was filled once."""
        return self._copy(self._filled, "registry")

    @contextmanager
    def _copy(self, template: str, schema: str) -> Generator[Opened]:
        name = self._server.new_database(template)
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
        fill(f"sqlite:///{folder}/filled.db")

    @contextmanager
    def empty(self) -> Generator[Opened]:
        """Open a file that is not there yet."""
        path = self._folder / f"{uuid4().hex}.db"
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            yield f"sqlite:///{path}", connection
        finally:
            connection.close()
            for file in self._folder.glob(f"{path.name}*"):
                file.unlink()

    @contextmanager
    def filled(self) -> Generator[Opened]:
        """Copy the one that was filled once."""
        with self.empty() as (url, connection):
            source = sqlite3.connect(self._folder / "filled.db")
            source.backup(connection)
            source.close()
            yield url, connection


def fill(url: str) -> None:
    """Create the Registry's tables, and register the sessions that the reports name."""
    storage = Storage(DatabaseUrl().deserialize(url), Base)
    storage.create()
    sessions = [SessionRegistration(session_id, "small-model") for session_id in SESSIONS]
    storage.write(lambda opened: [registry_sessions.register(opened, one, now()) for one in sessions])
    storage.close()
