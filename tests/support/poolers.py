"""A real PgBouncer in transaction mode: each transaction of a client may get another of its few server connections."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from memory_graph_workers.cli.stack.ports import free_port
from psycopg.conninfo import conninfo_to_dict
from support.postgres import Postgres
from support.waiting import LONGEST_SECS, until

HOW = "PgBouncer is needed; on Debian: apt install pgbouncer"
SESSIONS = 2  # of the server, for all clients of a database
_CONFIG = """\
[databases]
* = {server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
logfile = {folder}/log
auth_type = trust
auth_file = {folder}/users
admin_users = postgres
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
server_login_retry = 1
max_client_conn = 400
"""


@contextmanager
def pgbouncer(server: Postgres) -> Iterator["PgBouncer"]:
    """A PgBouncer before a server; without one a test is skipped, and fails in CI."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW)
    with TemporaryDirectory(prefix="mgw-pgbouncer-") as folder:
        running = PgBouncer(program, Path(folder), server)
        try:
            yield running
        finally:
            running.stop()


class PgBouncer:
    """A running PgBouncer; clients of a database share a few sessions of its server, in turns."""

    def __init__(self, program: str, folder: Path, server: Postgres) -> None:
        self.port, self.server, self._folder = free_port(), server, folder
        (folder / "users").write_text('"postgres" ""\n')
        self._configure(server)
        shutil.chown(folder, server.user or os.geteuid())
        # Root may run neither of the two.
        self._process = subprocess.Popen([program, "-q", str(folder / "ini")], user=server.user)
        until(lambda: self._responds() or self._process.poll() is not None, self._told)
        assert self._process.poll() is None, self._told()

    def stop(self) -> None:
        """Stop it at once."""
        self._process.terminate()
        self._process.wait(LONGEST_SECS)

    def new_database(self) -> str:
        """Make an empty database, and give its address through the pooler."""
        return self.url(self.server.create_database())

    def url(self, database: str) -> str:
        """The address of a database through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def turn_to(self, server: Postgres) -> None:
        """Send all clients to another server from now on."""
        self.server = server
        self._configure(server)
        self._command("RELOAD")

    def _configure(self, server: Postgres) -> None:
        found = conninfo_to_dict(server.url("postgres"))
        address = f"host={found['host']} port={found.get('port', 5432)}"
        told = _CONFIG.format(server=address, port=self.port, folder=self._folder, sessions=SESSIONS)
        (self._folder / "ini").write_text(told)

    def _command(self, command: str) -> None:
        with psycopg.connect(self.url("pgbouncer"), autocommit=True, connect_timeout=2) as console:
            console.execute(command.encode())

    def _responds(self) -> bool:
        try:
            self._command("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    def _told(self) -> str:
        log = self._folder / "log"
        return log.read_text() if log.exists() else "PgBouncer said nothing"
