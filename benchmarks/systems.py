"""One run of a whole system: start its parts on a new database, let a producer call, and wait for the last row."""

import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import payloads
from databases import Database, Place, places
from memory_graph_workers.cli.stack.ports import LOOPBACK, accepts, http_status
from memory_graph_workers.cli.stack.servers import Running, Server, start_all
from meter import Cpu, Meter, used
from phoenix_server import PYTHON as PHOENIX_PYTHON
from phoenix_server import Phoenix, phoenix
from results import medians, spread
from rig import HERE, Rig, pause

WARM, SECS, SETTLE_SECS = 200, 120.0, 0.2
PRODUCER, REDIS, WORKER, SERVER = "producer", "Redis", "worker", "service"
OF_PHOENIX = "phoenix"  # the road that leads there


@dataclass(frozen=True)
class Contender:
    """One way from call to row: the road of producing.py, how many reports, what works them off, and what it lacks."""

    name: str
    road: str
    many: int
    worker: list[str]
    lacks: str = ""
    environ: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Run:
    """Reports a second, and processor seconds a thousand reports by part."""

    rate: float
    cpu: Cpu

    @property
    def cpu_secs(self) -> float:
        """All parts together."""
        return sum(self.cpu.values())


def cells(runs: Sequence[Run], parts: Sequence[str]) -> list[str]:
    """A contender's cells in a table: its rate, what it used, and what each part of it used."""
    cpu = medians([one.cpu for one in runs])
    rate, used_secs = spread([one.rate for one in runs]), spread([one.cpu_secs for one in runs], 3)
    return [rate, used_secs, *(f"{cpu[part]:.3f}" if part in cpu else "" for part in parts)]


@dataclass(frozen=True)
class Field:
    """A database, and the Phoenix that has one of the same kind."""

    place: Place
    phoenix: Phoenix


@contextmanager
def fields(rig: Rig) -> Generator[list[Field]]:
    """Both databases, until the block ends."""
    with places(rig.directory) as both, ExitStack() as running:
        found = [Field(place, running.enter_context(phoenix(rig, place))) for place in both]
        for one in found:
            one.phoenix.settle()
        yield found


@dataclass(frozen=True)
class System:
    """All that stands between a producer and the rows: the processes by part, and what the producer is told."""

    database: Database
    environ: dict[str, str]
    parts: dict[str, Sequence[int]]


@contextmanager
def system(rig: Rig, on: Field, contender: Contender) -> Generator[System]:
    """What a contender needs, started; without a worker it is the database alone."""
    rig.redis.flushall()
    of_database = {on.place.name: on.place.pids} if on.place.pids else {}
    if contender.road == OF_PHOENIX:
        with on.phoenix.turn() as (database, told):
            yield System(database, told, {SERVER: [on.phoenix.pid], **of_database})
        return
    with on.place.registry() as database:
        if not contender.worker:
            yield System(database, {"BENCH_DATABASE": database.url}, of_database)
            return
        with registry_on(rig, on.place, database) as registry:
            environ = {**contender.environ, **addresses(registry)}
            with rig.program(contender.worker[0], contender.worker, **environ) as worker:
                pids = {REDIS: rig.redis_pid, WORKER: worker.child.process.pid, SERVER: registry.child.process.pid}
                yield System(database, environ, {**{part: [pid] for part, pid in pids.items()}, **of_database})


def run(rig: Rig, on: Field, contender: Contender, many: int) -> Run:
    """Warm everything up, then measure from the first call until the last row is committed."""
    python = str(PHOENIX_PYTHON) if contender.road == OF_PHOENIX else sys.executable
    command = [python, "producing.py", contender.road, str(WARM), str(many)]
    with system(rig, on, contender) as these, Producer(rig, these.environ, *command) as producer:
        meter = Meter({PRODUCER: [producer.pid], **these.parts})
        producer.go()
        wait_for(these.database, WARM)
        producer.wait()
        before, began = meter.read(), time.monotonic()
        producer.go()
        wait_for(these.database, WARM + many)
        secs = time.monotonic() - began
        producer.wait()
        cpu = used(before, meter.read(), many)
        pause(SETTLE_SECS)  # in which a report that was sent twice would come
        these.database.counted().check(payloads.numbered(WARM + many))
    return Run(many / secs, cpu)


@contextmanager
def registry_on(rig: Rig, place: Place, database: Database) -> Generator[Running]:
    """A Registry with that database, until the block ends."""
    with services(rig, place, {"registry": {"REGISTRY_DATABASE_URL": database.url}}) as running:
        yield running["registry"]


@contextmanager
def services(rig: Rig, place: Place, settings: Mapping[str, Mapping[str, str]]) -> Generator[dict[str, Running]]:
    """Services of ours with these settings, until the block ends."""
    common = {**rig.environ, "SERVICE_WORKERS": str(place.processes)}

    def server(name: str) -> Server:
        command = [sys.executable, "-m", "memory_graph_workers.services", name, "--host", LOOPBACK, "--port"]
        is_ready = accepts if name == "memory-graph" else answers
        return Server(name, lambda port: [*command, str(port)], {**common, **settings[name]}, is_ready)

    running = start_all(rig.children, [server(name) for name in settings])
    try:
        yield running
    finally:
        for one in running.values():
            rig.children.stop(one.child)


def answers(port: int) -> bool:
    """Whether a service with HTTP is healthy."""
    return http_status(port, "/health") == 200


def addresses(registry: Running) -> dict[str, str]:
    """What tells ours and the peers where that Registry is."""
    url = f"http://{LOOPBACK}:{registry.port}"
    return {"BENCH_SERVER": url, "REGISTRY_URL": url}


def wait_for(database: Database, many: int) -> None:
    """Wait until so many reports are committed."""
    end = time.monotonic() + SECS
    while (found := database.progress()) < many:
        if time.monotonic() > end:
            raise RuntimeError(f"{found} of {many} reports were committed within {SECS:.0f} s")
        pause(0.02)


class Producer:
    """A producing program, which does a part of its work each time that it is told to."""

    def __init__(self, rig: Rig, environ: Mapping[str, str], *command: str) -> None:
        self._command, self._environ = command, {**rig.environ, **environ}

    def __enter__(self) -> "Producer":
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(self._command, env=self._environ, cwd=HERE, **pipes)
        self.pid = self._process.pid
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()  # it ends by itself
        self._process.wait()

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def go(self) -> None:
        """Let it do the next part."""
        if self._process.stdin:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has done what it was told to."""
        if not (self._process.stdout and self._process.stdout.readline()):
            raise RuntimeError(f"the producer ended with {self._process.wait()}: {' '.join(self._command)}")
