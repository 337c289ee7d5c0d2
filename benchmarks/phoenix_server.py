"""Arize Phoenix, which takes half a minute to start: one server a database for all rounds, asleep between its turns.

Its packages contradict ours, so it has an environment of its own, which `make bench` makes.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from databases import Counted, Database, Place
from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port, http_status
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.cli.stack.watcher import wait_until
from rig import HERE, Rig

START_SECS = 240.0
PYTHON = HERE.parent / "build" / "phoenix" / "bin" / "python"
_OF_PROJECT = "FROM spans JOIN traces ON traces.id = trace_rowid JOIN projects ON projects.id = project_rowid"
_TOKENS = "sum(llm_token_count_prompt + llm_token_count_completion)"


class OfPhoenix(Database):
    """What Phoenix holds of one project, which is one run."""

    def __init__(self, url: str, connection: Any, project: str) -> None:
        super().__init__(url, connection)
        self._from = f"{_OF_PROJECT} WHERE projects.name = '{project}'"

    def progress(self) -> int:
        """Count the rows."""
        return self._row(f"SELECT count(*) {self._from}")[0]

    def counted(self) -> Counted:
        """Count the spans, their names and their tokens; Phoenix keeps no totals."""
        rows, different, tokens = self._row(f"SELECT count(*), count(DISTINCT spans.name), {_TOKENS} {self._from}")
        return Counted(rows, different, (rows, tokens), (rows, tokens))


class Phoenix:
    """A server and its database."""

    def __init__(self, child: Child, port: int, url: str, connection: Any) -> None:
        self._child, self._port, self._url, self._connection = child, port, url, connection
        self.pid = child.process.pid

    def settle(self) -> None:
        """Wait until it serves, and let it sleep."""
        if not wait_until(lambda: not self._child.is_alive or http_status(self._port, "/healthz") == 200, START_SECS):
            raise RuntimeError(f"Phoenix does not serve after {START_SECS:.0f} s:\n{self._child.log_tail()}")
        self._signal(signal.SIGSTOP)

    @contextmanager
    def turn(self) -> Generator[tuple[OfPhoenix, dict[str, str]]]:
        """Wake it for one run; gives what it holds of the run, and what its producer is told."""
        project = f"bench-{uuid4().hex}"
        self._signal(signal.SIGCONT)
        try:
            told = {"BENCH_SERVER": f"http://{LOOPBACK}:{self._port}", "BENCH_PROJECT": project}
            yield OfPhoenix(self._url, self._connection, project), told
        finally:
            self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it end when it is told to."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.killpg(self.pid, number)


@contextmanager
def phoenix(rig: Rig, place: Place) -> Generator[Phoenix]:
    """Start it on an empty database, without waiting; it goes when the block ends."""
    if not PYTHON.exists():
        raise RuntimeError(f"Arize Phoenix is not installed ({PYTHON} is missing). Run: make bench ARGS=whole")
    with place.copy() as (url, connection):
        port = free_port()
        command = [str(PYTHON), "-m", "phoenix.server.main", "serve"]
        child = rig.children.start(f"phoenix-{place.name}", command, settings(url, port, rig.directory))
        started = Phoenix(child, port, url, connection)
        try:
            yield started
        finally:
            started.wake()
            rig.children.stop(child)


def settings(url: str, port: int, folder: Path) -> dict[str, str]:
    """Nothing but its ports and its database: no telemetry, nothing fetched."""
    return {
        **os.environ,
        "PHOENIX_SQL_DATABASE_URL": url,
        "PHOENIX_HOST": LOOPBACK,
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder / "phoenix"),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
