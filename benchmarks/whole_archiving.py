"""Archiving through the real graph, vault and Registry: the sweep, a plain Celery task a session, and a script.

A contender is measured from the first call until all of its sessions are marked; then the archives are counted in the
vault, and the marks in the Registry.
"""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import conversations
from archiving import LACKS, LIMIT, PLAIN, SWEEP
from celery import Celery
from databases import Place, places
from drain import OURS, PROCESSES, celery
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.watcher import wait_until
from memory_graph_workers.services.vault.keys import new_key
from meter import Meter, used
from results import Figure, Outcome, Table, medians, ratios
from rig import Program, Rig, pause
from systems import PRODUCER, REDIS, SETTLE_SECS, WORKER, Producer, Run, cells, services

MANY = {SWEEP: conversations.SESSIONS, PLAIN: 200, LIMIT: conversations.SESSIONS}
KINDS = {SWEEP: "sweep", PLAIN: "plain", LIMIT: "limit"}
WORKERS = {SWEEP: [*OURS, "-c", PROCESSES], PLAIN: celery("peers.plain", 8)}
SECS = 180.0
VAULT, GRAPH, REGISTRY = "vault", "memory-graph", "registry"
_MARKED = "SELECT count(*) FROM sessions WHERE status = 'archived'"
_KEPT = "SELECT count(*), count(DISTINCT session_id), count(policy_id) FROM archives"


@dataclass(frozen=True)
class Stock:
    """A kind of database with templates of what each service holds before a run."""

    place: Place
    templates: dict[str, str]


def stock(place: Place) -> Stock:
    """Fill the templates."""
    fills = {REGISTRY: conversations.fill_registry, VAULT: conversations.fill_vault, GRAPH: conversations.fill_graph}
    return Stock(place, {name: place.template(fill) for name, fill in fills.items()})


def part(rig: Rig, rounds: int) -> Outcome:
    """Every contender in turn on both databases, `rounds` times."""
    outcome = Outcome()
    with places(rig.directory) as both:
        stocks = list(map(stock, both))
        runs = {one.place.name: {name: list[Run]() for name in MANY} for one in stocks}
        for _ in range(rounds):
            for one in stocks:
                for name, many in MANY.items():
                    runs[one.place.name][name].append(archived(rig, one, name, many))
    for name, found in runs.items():
        outcome.tables.append(table(name, found))
        outcome.figures += figures(name, found)
        outcome.stacks[f"archiving on {name}"] = {
            one: medians([run.cpu for run in these]) for one, these in found.items()
        }
    return outcome


@contextmanager
def running(rig: Rig, on: Stock) -> Generator[tuple[dict[str, Any], dict[str, int], dict[str, str]]]:
    """All three services on copies: their databases, their processes, and what tells a worker where they are."""
    key = new_key()
    with ExitStack() as opened:
        copies = {name: opened.enter_context(on.place.copy(one, schema(name))) for name, one in on.templates.items()}
        settings = {name: {f"{name.upper().replace('-', '_')}_DATABASE_URL": url} for name, (url, _) in copies.items()}
        settings[VAULT] |= {"VAULT_KEYS": rig.environ["VAULT_API_KEY"], "VAULT_ENCRYPTION_KEYS": key}
        settings[GRAPH]["MEMORY_GRAPH_ALLOW_NO_KEYS"] = "true"
        started = opened.enter_context(services(rig, on.place, settings))
        urls = {name: f"http://{LOOPBACK}:{one.port}" for name, one in started.items()}
        told = {
            **dict.fromkeys(("REGISTRY_URL", "BENCH_SERVER"), urls[REGISTRY]),
            **dict.fromkeys(("VAULT_URL", "BENCH_VAULT"), urls[VAULT]),
            "MEMORY_GRAPH_URL": urls[GRAPH].replace("http:", "grpc:"),
        }
        connections = {name: connection for name, (_, connection) in copies.items()}
        yield connections, {name: one.child.process.pid for name, one in started.items()}, told


def schema(service: str) -> str:
    """The schema of PostgreSQL that a service keeps its tables in."""
    return service.replace("-", "_")


def archived(rig: Rig, on: Stock, name: str, many: int) -> Run:
    """Sessions a second from the first call to the last mark, and processor seconds a thousand by part."""
    rig.redis.flushall()
    with ExitStack() as opened:
        connections, pids, told = opened.enter_context(running(rig, on))
        parts: dict[str, Sequence[int]] = {part: [pid] for part, pid in pids.items()}
        if name in WORKERS:
            worker = opened.enter_context(rig.program("archiving", WORKERS[name], **told))
            wait_for_worker(rig, worker)
            parts = {REDIS: [rig.redis_pid], WORKER: [worker.child.process.pid], **parts}
        if on.place.pids:
            parts[on.place.name] = on.place.pids
        command = [sys.executable, "producing_archives.py", KINDS[name], str(many)]
        producer = opened.enter_context(Producer(rig, told, *command))
        meter = Meter({PRODUCER: [producer.pid], **parts})
        before, began = meter.read(), time.monotonic()
        producer.go()
        wait_for_marks(connections[REGISTRY], many)
        secs = time.monotonic() - began
        producer.wait()
        cpu = used(before, meter.read(), many)
        check(name, many, connections)
    return Run(many / secs, cpu)


def wait_for_worker(rig: Rig, worker: Program) -> None:
    """Wait until it answers a ping."""
    with Celery(broker=rig.redis_url, set_as_current=False) as app:
        if not wait_until(lambda: worker.ended or bool(app.control.ping(timeout=0.5)), SECS) or worker.ended:
            raise RuntimeError(f"the worker does not answer:\n{worker.child.log_tail()}")


def marked(registry: Any) -> int:
    """How many sessions are marked as archived."""
    return registry.execute(_MARKED).fetchone()[0]


def wait_for_marks(registry: Any, many: int) -> None:
    """Wait until so many sessions are marked."""
    end = time.monotonic() + SECS
    while (found := marked(registry)) < many:
        if time.monotonic() > end:
            raise RuntimeError(f"{found} of {many} sessions were archived within {SECS:.0f} s")
        pause(0.02)


def check(name: str, many: int, connections: dict[str, Any]) -> None:
    """Count the marks, the archives, those of different sessions, and those under a policy.

    Raises: RuntimeError unless each is `many`.
    """
    pause(SETTLE_SECS)
    found = [marked(connections[REGISTRY]), *connections[VAULT].execute(_KEPT).fetchone()]
    if found != [many] * 4:
        raise RuntimeError(f"{name}: of {many} marked, archived, of different sessions, under a policy: {found}")


def table(place: str, runs: dict[str, list[Run]]) -> Table:
    """A row a contender."""
    parts = list(dict.fromkeys(part for these in runs.values() for run in these for part in run.cpu))
    header = ["contender", "sessions/s", "CPU s a thousand", *parts, "what it lacks"]
    rows = [[name, *cells(these, parts), LACKS[name]] for name, these in runs.items()]
    return Table(f"Archiving through real services on {place}", header, rows)


def figures(place: str, runs: dict[str, list[Run]]) -> list[Figure]:
    """What the goals judge."""
    rates = {name: [run.rate for run in these] for name, these in runs.items()}
    return [
        Figure("whole-archiving-plain", place, ratios(rates[SWEEP], rates[PLAIN])),
        Figure("whole-archiving-limit", place, ratios(rates[SWEEP], rates[LIMIT])),
        Figure("whole-archiving-exact", place, [0.0 for _ in rates[SWEEP]]),  # else the run would have failed
    ]
