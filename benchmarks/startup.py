"""How long an import takes, what it brings along, and when a new worker takes its first task."""

import json
import subprocess
import sys
import time

from drain import OURS
from results import Figure, Outcome, Table, spread
from rig import Rig

# What Celery itself loads in a producer by its first `.delay()` to Redis, which ours has loaded too.
BASE = "import celery.app.task, celery.result, kombu.transport.redis, celery.backends.redis, redis, requests"
OURS_TOO = "import memory_graph_workers.tasks, memory_graph_workers.tasks.registry"
HEAVY = ("flower", "grpc", "sqlalchemy", "memory_graph_workers.services")
IMPORTS = 4


def part(rig: Rig, rounds: int) -> Outcome:
    """Imports in turns, modules once, first tasks `rounds` times."""
    base, ours = imports(rig, rounds)
    ratio = [mine / theirs for mine, theirs in zip(ours, base, strict=True)]
    heavy = [name for name in brought(rig) if name.startswith(HEAVY)]
    first = [first_task_secs(rig) for _ in range(rounds)]
    rows = [
        ["importing celery, redis and requests, ms", spread(base)],
        ["importing our tasks, ms", spread(ours)],
        ["modules of Flower, gRPC, SQLAlchemy or the services", ", ".join(heavy) or "none"],
        ["seconds until a new worker has done its first task", spread(first, 2)],
    ]
    figures = [
        Figure("startup-import", "", ratio),
        Figure("startup-modules", "", [float(len(heavy))]),
        Figure("startup-first-task", "", first),
    ]
    return Outcome(figures, [Table("Start-up", ["what", "figure"], rows)])


def imports(rig: Rig, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of both imports, each the least of some, round by round."""
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        pairs = [(import_ms(rig, BASE), import_ms(rig, OURS_TOO)) for _ in range(IMPORTS)]
        found.append((min(base for base, _ in pairs), min(ours for _, ours in pairs)))
    return [base for base, _ in found], [ours for _, ours in found]


def import_ms(rig: Rig, line: str) -> float:
    """Milliseconds of an import in a new interpreter, without the interpreter's own start."""
    program = f"import time; t = time.perf_counter(); {line}; print((time.perf_counter() - t) * 1000)"
    return float(subprocess.check_output([sys.executable, "-c", program], env=rig.environ))


def brought(rig: Rig) -> list[str]:
    """The modules that our import loads."""
    program = f"import sys, json; {OURS_TOO}; print(json.dumps(sorted(sys.modules)))"
    return json.loads(subprocess.check_output([sys.executable, "-c", program], env=rig.environ))


def first_task_secs(rig: Rig) -> float:
    """Seconds from the start of a worker until its first task's call has come."""
    rig.reset()
    rig.python("sending.py", "ours", "5")
    began = time.monotonic()
    with rig.program("celery", [*OURS, "-c", "2"]) as worker:
        rig.wait_for(1, 60, worker)
        first, _ = rig.seen(0).bounds or (0.0, 0.0)
    return first - began
