"""One report a request, and the usage of a session: what our Registry uses beside a bare WSGI function."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import payloads
from databases import OfRegistry, Place, places
from memory_graph_workers.cli.stack.ports import LOOPBACK, accepts
from memory_graph_workers.cli.stack.servers import Server, start_all
from meter import Meter, used
from results import Figure, Outcome, Table
from rig import Rig
from systems import SERVER, Producer, Run, cells, registry_on

OURS, BARE = "our Registry", "a bare WSGI function"
LACKS = {OURS: "", BARE: "no validation, no log, no answer to a repeat with other content"}
WARM, MANY, THREADS = 100, 1500, 16
POST, GET = "post", "get"
WHAT = {POST: "POST /usage, one report", GET: "GET /sessions/{id}/usage"}
GOALS = {POST: "single-usage", GET: "reading-usage"}


def part(rig: Rig, rounds: int) -> Outcome:
    """Both in turn on both databases, `rounds` times; then what a producer pays."""
    outcome = Outcome()
    with places(rig.directory) as both:
        runs = {(place.name, kind, name): list[Run]() for place in both for kind in WHAT for name in LACKS}
        for _ in range(rounds):
            for place in both:
                for name in LACKS:
                    for kind, run in called(rig, place, name).items():
                        runs[place.name, kind, name].append(run)
    for place in both:
        parts = [SERVER, *([place.name] if place.pids else [])]
        rows = [
            [f"{WHAT[kind]}: {name}", *cells(runs[place.name, kind, name], parts), LACKS[name]]
            for kind in WHAT
            for name in LACKS
        ]
        header = ["call", "calls/s", "CPU s a thousand", *parts, "what it lacks"]
        outcome.tables.append(Table(f"Single calls on {place.name}", header, rows))
        for kind in WHAT:
            outcome.figures += figures(place, kind, runs[place.name, kind, OURS], runs[place.name, kind, BARE])
    return outcome


def figures(place: Place, kind: str, ours: list[Run], bare: list[Run]) -> list[Figure]:
    """The service alone, and together with its database."""
    pairs = list(zip(ours, bare, strict=True))
    alone = [mine.cpu[SERVER] / theirs.cpu[SERVER] for mine, theirs in pairs]
    found = [Figure(GOALS[kind], f"{place.name}, the service alone", alone)]
    if place.pids:
        both = [mine.cpu_secs / theirs.cpu_secs for mine, theirs in pairs]
        found.append(Figure(GOALS[kind], f"{place.name}, with the database", both))
    return found


def called(rig: Rig, place: Place, name: str) -> dict[str, Run]:
    """Post reports to a new database, count them there, and read their sums."""
    with place.registry() as database, served(rig, place, name, database) as (port, pid):
        meter = Meter({SERVER: [pid], **({place.name: place.pids} if place.pids else {})})
        found = {kind: calls(rig, port, kind, meter) for kind in WHAT}
        database.counted().check(payloads.numbered(WARM + MANY))
    return found


def calls(rig: Rig, port: int, kind: str, meter: Meter) -> Run:
    """Warm up, then measure."""
    command = [sys.executable, "posting.py", str(port), kind, str(WARM), str(MANY)]
    with Producer(rig, {}, *command) as caller:
        caller.go()
        caller.wait()
        before, began = meter.read(), time.monotonic()
        caller.go()
        caller.wait()
        secs = time.monotonic() - began
        return Run(MANY / secs, used(before, meter.read(), MANY))


@contextmanager
def served(rig: Rig, place: Place, name: str, database: OfRegistry) -> Generator[tuple[int, int]]:
    """Our Registry, or the bare function in as many processes and threads; gives its port and its process."""
    if name == OURS:
        with registry_on(rig, place, database) as running:
            yield running.port, running.child.process.pid
        return

    def command(port: int) -> list[str]:
        size = ["--workers", str(place.processes), "--threads", str(THREADS), "--log-level", "error"]
        return [sys.executable, "-m", "gunicorn", "peers.wsgi_app:app", "--bind", f"{LOOPBACK}:{port}", *size]

    environ = {**rig.environ, "BENCH_DATABASE": database.url}
    running = start_all(rig.children, [Server("wsgi", command, environ, accepts)])["wsgi"]
    try:
        yield running.port, running.child.process.pid
    finally:
        rig.children.stop(running.child)
