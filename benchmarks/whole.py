"""The whole system: from a producer's call through Redis, workers and the Registry to a committed row.

Every contender starts with an empty queue and a new database, and ends when the database holds every report: all of
them are counted there afterwards, and one that is lost or duplicated ends the benchmark.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import payloads
from databases import Database, OnPostgres, OnSqlite, Place
from drain import NO_KEY, OURS, TASKIQ, celery
from memory_graph_workers.cli.stack.ports import LOOPBACK, http_status
from memory_graph_workers.cli.stack.servers import Running, Server, start_all
from meter import Cpu, Meter, used
from postgres import postgres
from results import Figure, Outcome, Table, ratios, spread
from rig import HERE, Rig, pause

WARM, SECS = 200, 120.0
PRODUCER, REDIS, WORKER, REGISTRY = "producer", "Redis", "worker", "Registry"


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


STREAM = {"BENCH_TASKIQ": "stream"}
BATCHES, ONE, BARE = "ours, batches of 100", "ours, one a task", "bare Celery, one a task"
TASKIQ_ONE, TASKIQ_BATCH, LIMIT = "taskiq stream, one a task", "taskiq stream, batches of 100", "limit: a script"
CONTENDERS = [
    Contender(BATCHES, "reporter", 16_000, [*OURS, "-c", "2"]),
    Contender(ONE, "ours", 800, [*OURS, "-c", "8"]),
    Contender(BARE, "bare", 800, celery("peers.bare", 8), f"{NO_KEY}; a killed process loses its tasks"),
    Contender(TASKIQ_ONE, "taskiq", 1000, TASKIQ, NO_KEY, STREAM),
    Contender(TASKIQ_BATCH, "taskiq_batch", 16_000, TASKIQ, "no validation, a batch fails as a whole", STREAM),
    Contender(LIMIT, "limit", 16_000, [], "no queue, no HTTP, no validation"),
]


def part(rig: Rig, rounds: int, share: float = 1.0) -> Outcome:
    """Every contender in turn on both databases, `rounds` times."""
    outcome = Outcome()
    with places(rig) as kinds:
        runs = {(place.name, one.name): list[Run]() for place in kinds for one in CONTENDERS}
        for _ in range(rounds):
            for place in kinds:
                for one in CONTENDERS:
                    runs[place.name, one.name].append(run(rig, place, one, int(one.many * share)))
    for place in kinds:
        found = {one.name: runs[place.name, one.name] for one in CONTENDERS}
        outcome.tables.append(table(place.name, found))
        outcome.figures += figures(place.name, found)
        outcome.stacks[place.name] = {name: medians([run.cpu for run in these]) for name, these in found.items()}
    return outcome


def table(place: str, runs: dict[str, list[Run]]) -> Table:
    """A row a contender."""
    parts = list(dict.fromkeys(part for these in runs.values() for run in these for part in run.cpu))
    header = ["contender", "reports/s", "CPU s a thousand", *parts, "what it lacks"]
    rows = [
        [
            one.name,
            spread([run.rate for run in runs[one.name]]),
            spread([run.cpu_secs for run in runs[one.name]], 3),
            *(_cell(medians([run.cpu for run in runs[one.name]]).get(part)) for part in parts),
            one.lacks,
        ]
        for one in CONTENDERS
    ]
    return Table(f"The whole system on {place}", header, rows)


def _cell(secs: float | None) -> str:
    return "" if secs is None else f"{secs:.3f}"


def figures(place: str, runs: dict[str, list[Run]]) -> list[Figure]:
    """What the goals judge."""
    rates = {name: [run.rate for run in these] for name, these in runs.items()}
    cpu = {name: [run.cpu_secs for run in these] for name, these in runs.items()}
    return [
        Figure("whole-bare", place, ratios(rates[BATCHES], rates[BARE])),
        Figure("whole-taskiq", place, ratios(rates[BATCHES], rates[TASKIQ_ONE])),
        Figure("whole-taskiq-batch", place, ratios(rates[BATCHES], rates[TASKIQ_BATCH])),
        Figure("whole-cpu", place, cpu[BATCHES]),
        Figure("whole-cpu-limit", place, ratios(cpu[BATCHES], cpu[LIMIT])),
        Figure("whole-exact", place, [0.0 for _ in rates[BATCHES]]),  # else the run would have failed
    ]


def medians(found: Sequence[Cpu]) -> Cpu:
    """The median of each part."""
    return {part: statistics.median(one[part] for one in found) for part in found[0]}


@contextmanager
def places(rig: Rig) -> Generator[list[Place]]:
    """Both databases, until the block ends."""
    with postgres(rig.directory / "postgres") as server:
        yield [OnPostgres(server), OnSqlite(rig.directory / "sqlite")]


def run(rig: Rig, place: Place, contender: Contender, many: int) -> Run:
    """Warm everything up, then measure from the first call until the last row is committed."""
    rig.redis.flushall()
    with place.database() as database, ExitStack() as running:
        environ, parts = dict(contender.environ), dict[str, Sequence[int]]()
        if contender.worker:
            registry = running.enter_context(registry_on(rig, place, database))
            environ |= addresses(registry)
            worker = running.enter_context(rig.program(contender.worker[0], contender.worker, **environ))
            parts = {REDIS: [rig.redis_pid], WORKER: [worker.child.process.pid], REGISTRY: [registry.child.process.pid]}
        producer = running.enter_context(Producer(rig, contender.road, many, database, environ))
        meter = Meter({PRODUCER: [producer.pid], **parts, **({place.name: place.pids} if place.pids else {})})
        producer.go()
        wait_for(database, WARM)
        producer.wait()
        before, began = meter.read(), time.monotonic()
        producer.go()
        wait_for(database, WARM + many)
        secs = time.monotonic() - began
        producer.wait()
        cpu = used(before, meter.read(), many)
        running.close()  # what a worker does until it ends counts, too
        database.counted().check(payloads.numbered(WARM + many))
    return Run(many / secs, cpu)


@contextmanager
def registry_on(rig: Rig, place: Place, database: Database) -> Generator[Running]:
    """A Registry with that database, until the block ends."""
    command = [sys.executable, "-m", "memory_graph_workers.services", "registry", "--host", LOOPBACK, "--port"]
    settings = {"REGISTRY_DATABASE_URL": database.url, "SERVICE_WORKERS": str(place.processes)}

    def is_ready(port: int) -> bool:
        return http_status(port, "/health") == 200

    server = Server("registry", lambda port: [*command, str(port)], {**rig.environ, **settings}, is_ready)
    running = start_all(rig.children, [server])["registry"]
    try:
        yield running
    finally:
        rig.children.stop(running.child)


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
    """A producing program, which sends a part of its reports each time that it is told to."""

    def __init__(self, rig: Rig, road: str, many: int, database: Database, environ: dict[str, str]) -> None:
        self._command = [sys.executable, str(Path(HERE) / "producing.py"), road, str(WARM), str(many)]
        self._environ = {**rig.environ, **environ, "BENCH_DATABASE": database.url}

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

    def go(self) -> None:
        """Let it send the next part."""
        if self._process.stdin:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has sent what it was told to."""
        if not (self._process.stdout and self._process.stdout.readline()):
            raise RuntimeError(f"the producer ended with {self._process.wait()}: {' '.join(self._command)}")
