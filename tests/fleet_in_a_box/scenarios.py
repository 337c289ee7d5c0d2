"""What is done to the fleet under load, one thing after the other, and what is counted of each."""

import time
from collections.abc import Callable
from itertools import pairwise

from redis.exceptions import RedisError

from .fleet import SWEEP_EVERY_SECS, TIMEOUT_SECS, Fleet
from .load import BACK_SECS, STEADY_SECS, Load, under_load
from .row import Row
from .topology import BEATS, WORKERS
from .watched import other

LONGEST_SECS = 90.0  # of one scenario
CUT_SECS = 20.0
LOCK_SECS = 30.0  # how long beat's lock outlives a beat that was killed


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
        _moves_to(fleet, other(primary))
        if not row.waits:  # else no replica is there that could confirm anything
            load.back(since)
        time.sleep(max(0.0, since + CUT_SECS - time.monotonic()))
        fleet.programs.hosts[primary].join()
        if row.waits:
            load.back(since, CUT_SECS + BACK_SECS)
        fleet.redis_servers.wait_whole()


def fails_over(fleet: Fleet, row: Row, *how: str) -> None:
    """Make the replica the primary while both are up."""
    with under_load(fleet, row) as load:
        primary = fleet.redis_servers.primary
        since = time.monotonic()
        fleet.programs.wait(lambda: fleet.redis_servers.begins_failover(*how), 10, "a planned failover begins")
        _moves_to(fleet, other(primary))
        load.back(since)
        fleet.redis_servers.wait_whole()


def coordinates_failover(fleet: Fleet, row: Row) -> None:
    """The same, while the primary lets nobody write until the replica has everything."""
    fails_over(fleet, row, "COORDINATED")


def kills_primary(fleet: Fleet, row: Row) -> None:
    """Kill the primary, and start it again when the other has taken over."""
    with under_load(fleet, row) as load:
        primary = fleet.redis_servers.primary
        since = time.monotonic()
        fleet.programs.kill(primary)
        _moves_to(fleet, other(primary))
        if not row.waits:
            load.back(since)
        fleet.redis_servers.start_server(primary)
        if row.waits:
            load.back(since)
        fleet.redis_servers.wait_whole()


def _moves_to(fleet: Fleet, server: str) -> None:
    fleet.programs.wait(lambda: fleet.redis_servers.is_primary(server), 30, f"{server} is the primary")


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
    except (TimeoutError, RedisError) as error:
        row.demand(False, f"{error} ({fleet.state()})")
    finally:
        fleet.programs.ends_at = float("inf")
