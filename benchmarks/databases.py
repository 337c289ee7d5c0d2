"""Where usage reports end: a new database for each run, with its sessions registered, counted exactly afterwards."""

import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
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

_PROGRESS = "SELECT coalesce(sum(reports), 0) FROM session_usage"
_TOTALS = "SELECT coalesce(sum(reports), 0), coalesce(sum(total_tokens), 0) FROM {}"
_COUNTED = "SELECT count(*), count(DISTINCT {}) FROM usage_reports"


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


class Database:
    """One open database of a run."""

    def __init__(self, url: str, connection: Any, number: str) -> None:
        self.url, self._connection, self._number = url, connection, number

    def progress(self) -> int:
        """How many reports are committed."""
        return int(self._one(_PROGRESS)[0])

    def counted(self) -> Counted:
        """Count everything."""
        rows, different = self._one(_COUNTED.format(self._number))
        return Counted(rows, different, self._total("session_usage"), self._total("model_usage"))

    def _total(self, table: str) -> tuple[int, int]:
        reports, tokens = self._one(_TOTALS.format(table))
        return int(reports), int(tokens)

    def _one(self, statement: str) -> Any:
        return self._connection.execute(statement).fetchone()


class Place(ABC):
    """A kind of database: `pids` are the processes of its server, `processes` how many a Registry on it runs."""

    name: str
    processes: int
    pids: tuple[int, ...] = ()

    @abstractmethod
    @contextmanager
    def database(self) -> Generator[Database]:
        """A new database with its sessions."""
        yield NotImplemented


class OnPostgres(Place):
    """A database of a PostgreSQL server, copied from one that was filled once."""

    name, processes = "PostgreSQL", 2

    def __init__(self, server: Postgres) -> None:
        self._server, self.pids = server, (server.pid,)
        self._template = server.new_database()
        fill(server.url(self._template))

    @contextmanager
    def database(self) -> Generator[Database]:
        """Make it; it is dropped afterwards."""
        name = self._server.new_database(self._template)
        url = self._server.url(name)
        try:
            with psycopg.connect(url, autocommit=True, options="-c search_path=registry") as connection:
                yield Database(url, connection, "details::json->>'number'")
        finally:
            self._server.run(f"DROP DATABASE {name} WITH (FORCE)")


class OnSqlite(Place):
    """An SQLite file, copied from one that was filled once."""

    name, processes = "SQLite", 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        fill(f"sqlite:///{folder}/template.db")

    @contextmanager
    def database(self) -> Generator[Database]:
        """Make it; it is deleted afterwards."""
        path = self._folder / f"{uuid4().hex}.db"
        shutil.copy(self._folder / "template.db", path)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            yield Database(f"sqlite:///{path}", connection, "json_extract(details, '$.number')")
        finally:
            connection.close()
            for file in self._folder.glob(f"{path.name}*"):
                file.unlink()


def fill(url: str) -> None:
    """Create the Registry's tables, and register the sessions that the reports name."""
    storage = Storage(DatabaseUrl().deserialize(url), Base)
    storage.create()
    sessions = [SessionRegistration(session_id, "small-model") for session_id in SESSIONS]
    storage.write(lambda opened: [registry_sessions.register(opened, one, now()) for one in sessions])
    storage.close()
