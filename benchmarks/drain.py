"""How fast usage reports that wait in a queue are drained, by ours, by the peers, and by scripts without a queue."""

import statistics
from dataclasses import dataclass, field

from results import Figure, Outcome, Table, ratios, spread
from rig import Rig, pause
from sending import WARM

SECS = 60.0
SKIPPED = 0.15  # the share of a run that warms up and is not counted
CELERY = ["-P", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
OUR_APP = "memory_graph_workers.tasks.app"
OURS = ["celery", "-A", OUR_APP, "worker", "-P", "prefork", "--loglevel", "WARNING"]
PROCESSES = "6"  # as the README's command has it: while one process reads a batch, the others call
NO_KEY = "no validation, no idempotency key"
LOSES = f"{NO_KEY}; acknowledged when taken: a killed process loses its tasks"


@dataclass(frozen=True)
class Contender:
    """One way to drain: how its queue is filled, what drains it, and what it lacks."""

    name: str
    lacks: str
    road: str  # of sending.py; empty: there is no queue
    many: int
    worker: list[str]
    environ: dict[str, str] = field(default_factory=dict[str, str])


def celery(app: str, processes: int) -> list[str]:
    """Bare Celery's worker."""
    return ["celery", "-A", app, "worker", "-c", str(processes), *CELERY]


def limit(kind: str, processes: int, many: int = 12_000) -> Contender:
    """A script that only calls."""
    name = {"requests": "plain requests", "ours": "our client"}[kind]
    arguments = ["limit", kind, str(processes), str(many)]
    label = f"limit: {name}, {processes} {'process' if processes == 1 else 'processes'}"
    return Contender(label, "no queue at all", "", many, arguments)


BATCHES, ONE, BARE = "ours, batches of 100", "ours, one a task, prefork 8", "bare Celery, prefork 8"
DRAMATIQ, LIST, STREAM = "dramatiq", "taskiq, list", "taskiq, stream"
LIMIT_OURS = "limit: our client, 2 processes"
ACKNOWLEDGES = (BARE, DRAMATIQ, STREAM)
PEERS = (*ACKNOWLEDGES, LIST)
TASKIQ = "taskiq worker peers.taskiq_app:broker --workers 2 --max-async-tasks 100 --log-level WARNING".split()

CONTENDERS = [
    Contender(BATCHES, "", "reporter", 16_000, [*OURS, "-c", PROCESSES]),
    Contender(ONE, "", "ours", 1500, [*OURS, "-c", "8"]),
    Contender(BARE, LOSES, "bare", 2000, celery("peers.bare", 8)),
    Contender(DRAMATIQ, f"{NO_KEY}", "dramatiq", 4000, ["dramatiq", "peers.dramatiq_app", "-p", "2", "-t", "8"]),
    Contender(STREAM, NO_KEY, "taskiq", 8000, TASKIQ, {"BENCH_TASKIQ": "stream"}),
    Contender(LIST, f"{NO_KEY}; a dead worker's tasks are lost", "taskiq", 8000, TASKIQ, {"BENCH_TASKIQ": "list"}),
    limit("requests", 1),
    limit("requests", 2),
    limit("ours", 1),
    limit("ours", 2),
]


@dataclass(frozen=True)
class Drained:
    """One run: reports a second, processor seconds a thousand reports, peak memory."""

    rate: float
    cpu_secs: float
    peak_mib: float


def drained(rig: Rig, contender: Contender, delay_ms: float) -> Drained:
    """Fill the queue, start the worker, and measure from when it is warm until the last report is in."""
    rig.reset(delay_ms)
    many = contender.many
    arguments = contender.worker
    if contender.road:
        rig.python("sending.py", contender.road, str(many), **contender.environ)
        many += WARM
    else:
        arguments = [*arguments[:-1], str(many)]
    warm = int(many * SKIPPED)
    with rig.program(contender.worker[0], arguments, **contender.environ) as worker:
        rig.wait_for(warm, SECS, worker)
        cpu, began = worker.cpu_secs(), rig.seen().count
        while not worker.ended and rig.seen().count < many:
            worker.memory_mib()
            worker.cpu_secs()
            pause()
        rig.wait_for(many, SECS)
        used = worker.cpu_secs() - cpu
    first, last = rig.seen(warm).bounds or (0.0, 1.0)
    return Drained((many - 1 - warm) / (last - first), used / (many - began) * 1000, worker.peak_mib)


def part(rig: Rig, rounds: int, delay_ms: int) -> Outcome:
    """Every contender in turn, `rounds` times."""
    runs: dict[str, list[Drained]] = {contender.name: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender in CONTENDERS:
            runs[contender.name].append(drained(rig, contender, delay_ms))
    rates = {name: [run.rate for run in found] for name, found in runs.items()}
    at = f"{delay_ms} ms server"
    rows = [_row(contender, runs[contender.name]) for contender in CONTENDERS]
    header = ["contender", "reports/s", "CPU s a thousand", "peak MiB", "what it lacks"]
    bars = {at: {name: statistics.median(found) for name, found in rates.items()}}
    return Outcome(_figures(rates, at), [Table(f"Usage reports drained, {at}", header, rows)], bars)


def _figures(rates: dict[str, list[float]], at: str) -> list[Figure]:
    ours = rates[BATCHES]
    return [
        Figure("drain-acknowledging", at, ratios(ours, *(rates[name] for name in ACKNOWLEDGES))),
        Figure("drain-all", at, ratios(ours, *(rates[name] for name in PEERS))),
        Figure("drain-bare", at, ratios(ours, rates[BARE])),
        Figure("drain-limit", at, ratios(ours, rates[LIMIT_OURS])),
        Figure("one-a-task", at, ratios(rates[ONE], rates[BARE])),
    ]


def _row(contender: Contender, runs: list[Drained]) -> list[str]:
    rate, cpu = spread([run.rate for run in runs]), spread([run.cpu_secs for run in runs], 2)
    return [contender.name, rate, cpu, spread([run.peak_mib for run in runs]), contender.lacks]
