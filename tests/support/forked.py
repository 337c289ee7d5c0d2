"""Celery, `mgw`, the services and programs on them as real processes, forked from one that has imported them.

Each start saves a second.

A program gets its environment, its folder and its streams after the fork, and nothing is imported before that reads the
environment when it is imported.
"""

import atexit
import faulthandler
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

from memory_graph_workers.cli.stack.processes import Children
from support.waiting import LONGEST_SECS

CELERY, MGW, SERVICES = "celery", "memory_graph_workers.cli", "memory_graph_workers.services"
CODE = "-c"  # instead of a module: the first argument is the program
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        *(f"memory_graph_workers.services.{name}" for name in ("registry.app", "vault.app", "memory_graph.server")),
        *("memory_graph_workers.services.serve", "memory_graph_workers.cli.main", "memory_graph_workers.delivery"),
        *(f"memory_graph_workers.clients.{name}" for name in ("memory_graph", "registry", "vault")),
        *(f"memory_graph_workers.delivery.{name}" for name in ("worker.consumer", "worker.request", "results")),
        *("celery.bin.celery", "celery.apps.worker", "celery.apps.beat", "celery.worker.consumer", "flower.app"),
        *("celery.concurrency.prefork", "celery.backends.redis", "pybreaker", "structlog"),
        *("alembic.command", "click", "grpc", "kombu.transport.redis", "redis", "requests"),
        *("rich.console", "rich.table", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg"),
    ]
)
_SAYS_WHERE_IT_IS = signal.SIGRTMIN + 3  # a program that gets it writes the stacks of its threads to its stderr
_READS_ENVIRONMENT = "memory_graph_workers.tasks.app"


class Forked:
    """`python -m module` or `python -c program`, in a process that leads a group; used as a `Popen` is."""

    def __init__(
        self, module: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, streams: Sequence[Path]
    ) -> None:
        """`streams` are the files of stdin, stdout and stderr."""
        places = [str(path.absolute()) for path in streams]
        told = (module, list(arguments), dict(environ), str(folder.absolute()), places)
        self._log = Path(places[-1])
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
            with suppress(ProcessLookupError):  # it ended since
                os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise self._late(timeout or 0.0)
        return self._process.exitcode

    def _late(self, timeout: float) -> TimeoutExpired:
        self.send_signal(_SAYS_WHERE_IT_IS)
        time.sleep(1)
        late = TimeoutExpired(f"{self._module} (process {self.pid})", timeout)
        late.add_note(self._log.read_text(errors="replace")[-10_000:])
        return late


def celery(arguments: Sequence[str], environ: Mapping[str, str], log: Path, folder: Path | None = None) -> Forked:
    """Start a Celery program, which adds what it says to a file."""
    log.touch()
    return Forked(CELERY, arguments, environ, folder or Path.cwd(), (Path(os.devnull), log, log))


class ForkedChildren(Children):
    """Programs of a stack, of which those in Python are forked."""

    def _launch(self, program: Sequence[str], environ: Mapping[str, str], log: Path) -> Any:
        if list(program[:2]) != [sys.executable, "-m"]:
            return super()._launch(program, environ, log)  # what runs it, or another program than Python
        log.touch()  # a watcher may read it before the program writes
        return Forked(program[2], program[3:], environ, self.logs.parent, (Path(os.devnull), log, log))


def mgw(
    *arguments: str, environ: Mapping[str, str], cwd: Path | None = None, answer: str = ""
) -> CompletedProcess[str]:
    """Run `mgw` to its end, with `answer` as its input."""
    return finished(MGW, arguments, environ, cwd, answer)


def finished(
    module: str, arguments: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None, answer: str = ""
) -> CompletedProcess[str]:
    """Run a module, or a program in `CODE`, to its end, and return what it wrote."""
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
    os.setsid()
    _redirect(streams)
    faulthandler.register(_SAYS_WHERE_IT_IS)
    if _READS_ENVIRONMENT in sys.modules:
        raise RuntimeError(f"{_READS_ENVIRONMENT} must not be imported before a program has its environment.")
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.path[:1] = [folder, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        if module == CODE:
            sys.argv = [CODE, *arguments[1:]]
            exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # which multiprocessing leaves out


def _redirect(streams: list[str]) -> None:
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, (path, mode) in enumerate(zip(streams, modes, strict=True)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # Whoever puts others in their places, as Celery does, must not close the files with them.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  for as long as it lives
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
