"""What is done to the fleet under load, one thing after the other, and what is counted of each."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count, pairwise

from .effects import Sent, newest_reports
from .fleet import SWEEP_EVERY_SECS, TIMEOUT_SECS, Fleet
from .row import Row
from .topology import BEATS, WORKERS
from .watched import other

LONGEST_SECS = 90.0  # of one scenario
CUT_SECS = 20.0
STEADY_SECS = 6.0
LOCK_SECS = 30.0  # how long beat's lock outlives a beat that was killed
SETTLES_SECS, BACK_SECS = 40.0, 25.0
_numbers = count(1)


class Load:
    """What producers send during one scenario."""

    def __init__(self, fleet: Fleet, row: Row) -> None:
        self._fleet, self._row, self._name = fleet, row, f"load-{next(_numbers)}-{row.name}"
        self._began = len(fleet.ledgers)
        self._letters_before = fleet.letters().keys()
        self._producers: list[str] = []

    def start(self, host: str, python: str = sys.executable) -> str:
        """Start a producer, and wait until it has sent something."""
        name = f"{self._name}-{len(self._producers) + 1}"
        self._fleet.start_producer(host, name, python)
        self._producers.append(name)
        ledger = self._fleet.ledgers[-1]
        self._fleet.programs.wait_until(lambda _: ledger.exists() and ledger.stat().st_size, [name])
        return name

    def sent(self, since: float = 0.0) -> Sent:
        """What was acknowledged, from a time of the monotonic clock on."""
        return Sent.of(self._fleet.ledgers[self._began :], since)

    def moves_to(self, server: str, since: float) -> None:
        """Wait until this server is the primary, and what was sent to it is counted; note how long that took."""
        programs, stores = self._fleet.programs, self._fleet.stores
        programs.wait(lambda: self._fleet.redis_servers.is_primary(server), 30, f"{server} is the primary")
        moved = time.monotonic()
        programs.wait(lambda: self.sent(moved).reports & newest_reports(stores.registry), 60, "work goes on")
        self._row.back(time.monotonic() - since, BACK_SECS * programs.patience)

    def judge(self) -> None:
        """Stop the producers, wait until all work is over, and count."""
        fleet, row = self._fleet, self._row
        for host in fleet.programs.hosts.values():
            host.join()
        fleet.programs.stop([name for name in self._producers if fleet.programs.is_alive(name)])
        try:
            self._settle()
        except TimeoutError as error:
            row.demand(row.may_lose, f"{error} ({fleet.state()})")
        sent, effects = self.sent(), fleet.stores.effects()
        row.count(sent.effects, effects.lost(sent), effects.twice(sent))
        letters = [said for one, said in fleet.letters().items() if one not in self._letters_before]
        row.demand(not letters, f"{len(letters)} dead letters: {sorted(set(letters))[:3]}")
        dead = [name for name in (*WORKERS, *BEATS) if not fleet.programs.is_alive(name)]
        row.demand(not dead, f"{dead} did not live on")

    def _settle(self) -> None:
        """Wait until all work is over; where messages may be lost, a sweep may have to be resumed."""
        programs, is_idle = self._fleet.programs, self._fleet.is_idle
        try:
            programs.wait(is_idle, SETTLES_SECS, "all work over")
        except TimeoutError:
            if not (self._row.may_lose and self._fleet.resume_sweep()):
                raise
            self._row.notes.append("a sweep lost its next message and stalled, until its lock's ten minutes were over")
            programs.wait(is_idle, SETTLES_SECS, "all work over")


@contextmanager
def under_load(fleet: Fleet, row: Row) -> Generator[Load]:
    """Let a producer send for a while before and after, and count at the end."""
    load = Load(fleet, row)
    load.start("producer-1")
    time.sleep(STEADY_SECS)
    try:
        yield load
        time.sleep(STEADY_SECS)
    finally:
        load.judge()


def partitions_worker(fleet: Fleet, row: Row) -> None:
    """Cut a worker's machine off while it holds work, for longer than the visibility timeout."""
    with under_load(fleet, row):
        host = fleet.programs.hosts[WORKERS[0]]
        held = _cut_in_the_middle(fleet, WORKERS[0])
        since = time.monotonic()
        fleet.programs.wait(lambda: not held & fleet.in_flight(), CUT_SECS, "its work is taken over")
        row.back(time.monotonic() - since, TIMEOUT_SECS + 5)
        row.notes.append(f"{len(held)} in-flight tasks taken over")
        time.sleep(max(0.0, since + CUT_SECS - time.monotonic()))
        before = len(fleet.programs.log(WORKERS[0]))
        host.join()
        done = lambda: "succeeded in" in fleet.programs.log(WORKERS[0])[before:]  # noqa: E731
        fleet.programs.wait(done, 30, f"{WORKERS[0]} works again")


def _cut_in_the_middle(fleet: Fleet, name: str) -> set[bytes]:
    """Cut a machine off when it holds work: what stays in-flight a while later, which takes milliseconds otherwise."""
    host = fleet.programs.hosts[name]
    for _ in range(20):
        host.cut()
        held = fleet.in_flight()
        time.sleep(2)
        if held := held & fleet.in_flight():
            return held
        host.join()
        time.sleep(0.5)
    raise TimeoutError(f"{name} held no work at any of 20 moments")


def loses_beat(fleet: Fleet, row: Row) -> None:
    """Lose the machine of the beat that sends: its programs are killed, and its network is gone."""
    with under_load(fleet, row):
        sender = _sending_beat(fleet)
        seen, since = len(fleet.sweep_starts()), time.monotonic()
        fleet.programs.kill(sender)
        fleet.programs.hosts[sender].cut()
        fleet.programs.wait(lambda: len(fleet.sweep_starts()) > seen, LOCK_SECS + 2 * SWEEP_EVERY_SECS, "a sweep")
        row.back(time.monotonic() - since, (LOCK_SECS + SWEEP_EVERY_SECS + 5) * fleet.programs.patience)
        gaps = [later - earlier for earlier, later in pairwise(fleet.sweep_starts())]
        row.demand(min(gaps) > 0.85 * SWEEP_EVERY_SECS, f"two sweeps within {min(gaps):.1f} s")
        fleet.programs.hosts[sender].join()
        fleet.start_members([sender])


def _sending_beat(fleet: Fleet) -> str:
    """The beat that has the lock: only it sends."""
    sent = {name: fleet.programs.log(name).rfind("Sending due task") for name in BEATS}
    return max(sent, key=lambda name: sent[name])


def partitions_primary(fleet: Fleet, row: Row) -> None:
    """Cut the primary off from everybody; the sentinels promote the replica; then it comes back."""
    with under_load(fleet, row) as load:
        primary = fleet.redis_servers.primary
        since = time.monotonic()
        fleet.programs.hosts[primary].cut()
        load.moves_to(other(primary), since)
        time.sleep(max(0.0, since + CUT_SECS - time.monotonic()))
        fleet.programs.hosts[primary].join()
        fleet.redis_servers.wait_whole()


def fails_over(fleet: Fleet, row: Row) -> None:
    """Make the replica the primary while both are up."""
    with under_load(fleet, row) as load:
        primary = fleet.redis_servers.primary
        since = time.monotonic()
        fleet.programs.wait(fleet.redis_servers.begins_failover, 10, "a planned failover begins")
        load.moves_to(other(primary), since)
        fleet.redis_servers.wait_whole()


def kills_primary(fleet: Fleet, row: Row) -> None:
    """Kill the primary, and start it again when the other has taken over."""
    with under_load(fleet, row) as load:
        primary = fleet.redis_servers.primary
        since = time.monotonic()
        fleet.programs.kill(primary)
        load.moves_to(other(primary), since)
        fleet.redis_servers.start_server(primary)
        fleet.redis_servers.wait_whole()


def upgrades(fleet: Fleet, row: Row, old_python: str) -> None:
    """Replace workers, beats and a producer of the old release one after the other, while both releases produce."""
    load = Load(fleet, row)
    old = load.start("producer-2", python=old_python)
    load.start("producer-1")
    time.sleep(STEADY_SECS)
    for host in (*WORKERS, *BEATS):
        fleet.programs.stop([host])
        fleet.start_members([host])
    fleet.programs.stop([old])
    load.start("producer-2")
    time.sleep(STEADY_SECS)
    load.judge()


def run(fleet: Fleet, row: Row, scenario: Callable[[Fleet, Row], None]) -> None:
    """Play one scenario; what it does not bring about in time is what did not hold."""
    fleet.programs.ends_at = time.monotonic() + LONGEST_SECS * fleet.programs.patience
    try:
        scenario(fleet, row)
    except TimeoutError as error:
        row.demand(False, f"{error} ({fleet.state()})")
    finally:
        fleet.programs.ends_at = float("inf")
