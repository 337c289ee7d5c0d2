"""Exactness while things break: 6 % of all calls are cut and three workers are killed, and then all is counted.

A connection is cut before a service has the request, after its work and before its response, and in the middle of the
response. A killed worker's messages come back when its lease ends.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import payloads
import whole_archiving
from archiving import SWEEP
from databases import Place, places
from drain import OURS
from memory_graph_workers.cli.stack.ports import LOOPBACK
from results import Figure, Outcome, Table
from rig import HERE, Rig, pause
from systems import Producer, registry_on
from whole_archiving import REGISTRY, VAULT, Stock

sys.path.insert(0, str(HERE.parent / "tests"))  # where the proxy is, which breaks calls for the fault matrix, too
from faults.proxy import Proxy, cuts_after, cuts_before, halves

SHARE_OF_EACH, KILLS, WORKERS, SECS = 0.02, 3, 2, 300.0
LEASE = {"VISIBILITY_TIMEOUT_SECS": "5", "HEALTH_PROBES_ENABLED": "false"}
QUEUES = [f"memory_graph.{name}" for name in ("registry", "vault", "archival")]
ROADS = {"usage in batches of 100": ("reporter", 20_000), "usage, one a task": ("ours", 1200)}
BATCH = {"ARCHIVAL_BATCH_SIZE": "20"}
HOW = "6 % of calls cut, 3 workers killed"


@dataclass(frozen=True)
class Endured:
    """What was broken in a run that was exact all the same, and how long it took."""

    what: str
    place: str
    many: int
    cut: int
    secs: float

    @property
    def row(self) -> list[str]:
        """A row of the table."""
        return [self.what, self.place, f"{self.many:,}", str(self.cut), str(KILLS), "0", "0", f"{self.secs:.0f}"]


def part(rig: Rig, rounds: int) -> Outcome:
    """Each once on both databases, whatever the rounds: there is nothing to take a median of."""
    with places(rig.directory) as both:
        found = [usage(rig, place, what) for place in both for what in ROADS]
        found += [sweep(rig, whole_archiving.stock(place)) for place in both]
    header = ["what", "database", "sent", "calls cut", "workers killed", "lost", "duplicated", "s"]
    figures = [Figure("whole-exact", f"{one.what}, {one.place}, {HOW}", [0.0]) for one in found]
    return Outcome(figures, [Table(f"Exactness, {HOW}", header, [one.row for one in found])])


def usage(rig: Rig, place: Place, what: str) -> Endured:
    """Send reports through a Registry that is cut off again and again."""
    road, many = ROADS[what]
    rig.redis.flushall()
    with ExitStack() as opened:
        database = opened.enter_context(place.registry())
        registry = opened.enter_context(broken(opened.enter_context(registry_on(rig, place, database)).port))
        told = {**LEASE, "REGISTRY_URL": f"http://{LOOPBACK}:{registry.port}"}
        workers = opened.enter_context(Workers(rig, told))
        command = [sys.executable, "producing.py", road, str(many)]
        producer = opened.enter_context(Producer(rig, told, *command))
        producer.go()
        secs = workers.endure(database.progress, many)
        database.counted().check(payloads.numbered(many))
    return Endured(what, place.name, many, registry.played().total(), secs)


def sweep(rig: Rig, on: Stock) -> Endured:
    """Archive through a Registry and a vault that are cut off again and again."""
    rig.redis.flushall()
    with ExitStack() as opened:
        connections, _, told = opened.enter_context(whole_archiving.running(rig, on))
        ports = {name: int(told[f"{name.upper()}_URL"].rpartition(":")[2]) for name in (REGISTRY, VAULT)}
        proxies = {name: opened.enter_context(broken(port)) for name, port in ports.items()}
        urls = {f"{name.upper()}_URL": f"http://{LOOPBACK}:{proxy.port}" for name, proxy in proxies.items()}
        workers = opened.enter_context(Workers(rig, {**LEASE, **BATCH, **told, **urls}))
        many = whole_archiving.MANY[SWEEP]
        rig.python("sending_archiving.py", "sweep", str(many), **told)
        secs = workers.endure(lambda: whole_archiving.marked(connections[REGISTRY]), many)
        whole_archiving.check(SWEEP, many, connections)
    cut = sum(proxy.played().total() for proxy in proxies.values())
    return Endured("archiving, the sweep", on.place.name, many, cut, secs)


@contextmanager
def broken(port: int) -> Generator[Proxy]:
    """A proxy before a service that cuts each kind of call as often."""
    with Proxy(port) as proxy:
        for name, step in {"before": cuts_before, "after": cuts_after, "half": halves}.items():
            proxy.plays(name, step, share=SHARE_OF_EACH)
        yield proxy


class Workers:
    """Some workers of ours, of which three are killed in the middle of their work."""

    def __init__(self, rig: Rig, environ: Mapping[str, str]) -> None:
        self._rig, self._environ, self._started = rig, environ, ExitStack()

    def __enter__(self) -> "Workers":
        self._running = [self._start() for _ in range(WORKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def endure(self, progress: Callable[[], int], many: int) -> float:
        """Kill one at each quarter of the work; seconds until all is done and no message is left."""
        began = time.monotonic()
        for number in range(KILLS):
            quarter = many * (number + 1) // (KILLS + 1)
            self._wait(partial(lambda least: progress() >= least, quarter), progress)
            place = number % WORKERS
            os.killpg(self._running[place], signal.SIGKILL)
            self._running[place] = self._start()
        self._wait(lambda: progress() >= many and not self._rig.redis.exists(*QUEUES, "unacked"), progress)
        return time.monotonic() - began

    def _start(self) -> int:
        command = [*OURS, "-c", "2", "-n", f"worker-{time.monotonic_ns()}"]
        return self._started.enter_context(self._rig.program("worker", command, **self._environ)).child.process.pid

    @staticmethod
    def _wait(is_so: Callable[[], bool], progress: Callable[[], int]) -> None:
        end = time.monotonic() + SECS
        while not is_so():
            if time.monotonic() > end:
                raise RuntimeError(f"{progress()} were done, and no more within {SECS:.0f} s")
            pause()
