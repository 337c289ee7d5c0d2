"""`mgw` and the services as real processes, forked from one that has imported them: each start saves a second.

A program gets its environment, its folder and its streams after the fork, and nothing is imported before that reads the
environment when it is imported.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory

from support.waiting import LONGEST_SECS

MGW, SERVICES = "memory_graph_workers.cli", "memory_graph_workers.services"
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        *(f"memory_graph_workers.services.{name}" for name in ("registry.app", "vault.app", "memory_graph.server")),
        *("memory_graph_workers.services.serve", "memory_graph_workers.cli.main", "memory_graph_workers.delivery"),
        *("alembic.command", "celery.app.base", "click", "grpc", "kombu.transport.redis", "redis", "requests"),
        *("rich.console", "rich.table", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg"),
    ]
)
_READS_ENVIRONMENT = "memory_graph_workers.tasks.app"


class Forked:
    """`python -m module` with arguments, in a process of its own; used as a `Popen` is."""

    def __init__(
        self, module: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, streams: Sequence[Path]
    ) -> None:
        """`streams` are the files of stdin, stdout and stderr."""
        places = [str(path.absolute()) for path in streams]
        told = (module, list(arguments), dict(environ), str(folder.absolute()), places)
        self._module, self._process = module, _FORKING.Process(target=_run, args=told, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Its exit code once it has ended; a signal's number below zero."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        """Send a signal while it runs."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Wait for its end, and return its exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired(self._module, timeout)
        return self._process.exitcode


def mgw(
    *arguments: str, environ: Mapping[str, str], cwd: Path | None = None, answer: str = ""
) -> CompletedProcess[str]:
    """Run `mgw` to its end, with `answer` as its input."""
    return finished(MGW, arguments, environ, cwd, answer)


def finished(
    module: str, arguments: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None, answer: str = ""
) -> CompletedProcess[str]:
    """Run a module to its end, and return what it wrote."""
    with TemporaryDirectory() as folder:
        given, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        given.write_text(answer)
        process = Forked(module, arguments, environ, cwd or Path.cwd(), (given, out, err))
        try:
            code = process.wait(LONGEST_SECS)
        finally:
            process.send_signal(signal.SIGKILL)
        return CompletedProcess([module, *arguments], code, out.read_text(), err.read_text())


def _run(module: str, arguments: list[str], environ: dict[str, str], folder: str, streams: list[str]) -> None:
    _redirect(streams)
    if _READS_ENVIRONMENT in sys.modules:
        raise RuntimeError(f"{_READS_ENVIRONMENT} must not be imported before a program has its environment.")
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv, sys.path[0] = [module, *arguments], folder
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # which multiprocessing leaves out


def _redirect(streams: list[str]) -> None:
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, (path, mode) in enumerate(zip(streams, modes, strict=True)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115  for as long as it lives
