"""One contender at work: its broker or database, the service that it calls, its worker, and what runs beside it."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from memory_graph_workers.cli.stack import broker
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.processes import Child, Children
from memory_graph_workers.cli.stack.servers import Server, start_all
from memory_graph_workers.cli.terminal.failure import Failure

from comparison.contenders import APPS, Contender
from comparison.service import Service

sys.path.insert(0, str(APPS.parent.parent.parent / "tests"))  # where PostgreSQL is started for tests
from support.postgres import PROGRAM, Postgres

PASSWORD = "compare"


class Running:
    """A contender whose worker can be started, killed and started again."""

    def __init__(self, contender: Contender, children: Children, service: Service, environ: Mapping[str, str]) -> None:
        self.contender, self.service = contender, service
        self._children, self._environ = children, environ
        self._started = 0
        self.worker: Child

    def start_worker(self) -> None:
        """Start a worker; it may not be ready yet."""
        self._started += 1
        self.worker = self.start(f"worker-{self._started}", self.contender.worker)

    def start(self, name: str, module: Sequence[str]) -> Child:
        """Start a module of the contender's environment."""
        command = [str(self.contender.python), "-m", *module]
        return self._children.start(f"{self.contender.name}-{name}".replace(" ", "-"), command, self._environ)

    def run(self, module: Sequence[str]) -> None:
        """Run a module of the contender's environment to its end."""
        subprocess.run(
            [self.contender.python, "-m", *module], env=dict(self._environ), check=True, stdout=subprocess.DEVNULL
        )

    def send(self, jobs: Sequence[str]) -> Generator[None]:
        """Let the contender's program enqueue jobs."""
        yield from self._asked("send", jobs)

    def failed(self, jobs: Sequence[str]) -> Generator[None, None, list[str]]:
        """Ask the contender which jobs it has given up."""
        return (yield from self._asked("failed", jobs)).split()

    def late(self, what: str) -> Failure:
        """A failure that quotes the worker's log."""
        return Failure(f"{self.contender.name} {what}. The worker's log ends:\n{self.worker.log_tail()}")

    def _asked(self, what: str, jobs: Sequence[str]) -> Generator[None, None, str]:
        command = [self.contender.python, APPS / f"{self.contender.app}.py", what, *jobs]
        told, pipe = dict(self._environ), subprocess.PIPE
        with subprocess.Popen(command, env=told, text=True, stdout=pipe, stderr=pipe) as program:
            try:
                while program.poll() is None:
                    yield
            finally:
                program.kill()
            printed, errors = program.communicate()
        if program.returncode:
            raise Failure(f"{command[1]} {what} ended with {program.returncode}:\n{errors}")
        return printed


@contextmanager
def started(
    contenders: Sequence[Contender], children: Children, directory: Path, postgres: Postgres | None
) -> Generator[list[Running]]:
    """All contenders, each with a service and a broker or database of its own, and no worker yet."""
    with ExitStack() as opened:
        found: list[Running] = []
        for number, contender in enumerate(contenders):
            service = opened.enter_context(Service())
            place = directory / f"{contender.app}-{number}"
            store = {"COMPARE_DATABASE": postgres.new_database()} if contender.prepare and postgres else {}
            store = store or _redis(children, place)
            running = Running(contender, children, service, _environ(contender, service, store))
            if contender.prepare:
                running.run(contender.prepare)
            if contender.beside:
                running.start("beside", contender.beside)
            found.append(running)
        yield found


def servers() -> str:
    """The versions of what all of them run on."""
    valkey, postgresql = _version(broker.find_server()), _version(PROGRAM)
    return f"Python {platform.python_version()}, Valkey {valkey} and PostgreSQL {postgresql}"


def _version(program: str | Path) -> str:
    """What a server's program says of its version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if not (found := re.search(r"\d+(\.\d+)+", done.stdout)):
        raise LookupError(f"{program} --version names no version: {done.stdout!r}")
    return found[0]


def _redis(children: Children, place: Path) -> dict[str, str]:
    def command(port: int) -> list[str]:
        return [broker.find_server(), str(broker.write_config(place, port, PASSWORD)), "--dir", str(place)]

    def url(port: int) -> str:
        return f"redis://:{PASSWORD}@{LOOPBACK}:{port}/0"

    name = f"redis-{place.name}"
    server = Server(name, command, dict(os.environ), lambda port: broker.answers(url(port)))
    return {"COMPARE_BROKER": url(start_all(children, [server])[name].port)}


def _environ(contender: Contender, service: Service, store: Mapping[str, str]) -> dict[str, str]:
    ours = {
        "REDIS_URL": store.get("COMPARE_BROKER", ""),
        "REGISTRY_URL": service.url,
        "REGISTRY_API_KEY": "compare",
        "REGISTRY_HONOURS_IDEMPOTENCY": "true",
        "VAULT_URL": service.url,
        "VAULT_API_KEY": "compare",
        "MEMORY_GRAPH_URL": "grpc://127.0.0.1:1",  # nobody calls it: there is no sweep
    }
    told = {"COMPARE_SERVICE": service.url, "PYTHONPATH": str(APPS), "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **ours, **told, **store, **contender.environ}
