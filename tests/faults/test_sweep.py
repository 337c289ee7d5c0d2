"""A sweep with a poisoned session, one that was archived by hand before, and several beats."""

import contextlib
import random
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from faults.fleet import ARCHIVAL, HERE, Fleet, until
from faults.matrix import Row
from faults.proxy import delays
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.schemas.fields import parse_timestamp

INTERVAL_SECS, STANDBY_INTERVAL_SECS = 20.0, 15.0
AWAY_SECS, STANDING_BY_SECS, LOCK_SECS = 10.0, 5.0, 30.0
MOST_BYTES = 50_000
MOST_BATCHES = 2
BOUNDED_KILLS = 8


def poisons_one(fleet: Fleet, poison: Row, by_hand: Row, off: str = "") -> None:
    """Make one session too large for the vault, and archive another by hand before it goes on."""
    poisoned, continued = fleet.sessions[7], fleet.sessions[11]
    with MemoryGraphClient(MemoryGraphConfig.from_env(fleet.stack.environ)) as graph:
        graph.add_prompt(poisoned, "x" * MOST_BYTES)
        fleet.start_workers(off=off)
        fleet.send("archival.archive_session", ARCHIVAL, session_id=continued)
        until(lambda: fleet.effects().archives[continued] == 1, 60, "archived by hand")
        until(fleet.is_idle, 60, "idle")
        graph.add_prompt(continued, "and what then?")
    by_hand.demand(fleet.effects().statuses[continued] == "completed", "marked though only the first part is kept")
    fleet.work()
    for row in (poison, by_hand):
        row.judge(fleet, spared=[poisoned], revisions=1)
    effects = fleet.effects()
    poison.demand(effects.statuses[poisoned] == "completed", "the poisoned session is marked")
    poison.demand(_reasons(fleet).get(poisoned), "the poisoned session is not reported with its reason")
    by_hand.demand(effects.archives[continued] == 2, "not both versions are in the vault")
    by_hand.demand(_marked_after_its_revision(fleet, continued), "marked before the second version was in the vault")


def _reasons(fleet: Fleet) -> dict[str, str]:
    found: Any = fleet.redis.hgetall(f"memory_graph:sweep:{fleet.sweep_id}:failed")
    return {session.decode(): why.decode() for session, why in found.items()}


def _marked_after_its_revision(fleet: Fleet, session_id: str) -> bool:
    changes = fleet.registry.seen(r"PUT /api/v1/sessions/(\S+/)?status$")  # one alone, or many together
    marked = [seen.at for seen in changes if session_id in seen.path or session_id.encode() in seen.body]
    revised = [seen.at for seen in fleet.vault.seen("POST /api/v1/archive$")]
    return bool(marked and revised) and min(marked) > max(revised)


@pytest.mark.short
def test_a_poisoned_session_and_one_archived_by_hand(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    poison = row(
        "one poisoned session in a batch of 100",
        "99 archived, one reported with its reason",
        "too large for the vault, which refuses it with 413",
        13,
    )
    by_hand = row(
        "a session archived by hand, continued, swept",
        "both versions in the vault, the second a revision; marked archived only then",
        "in the same run as the poisoned session",
        18,
    )
    poisons_one(fleet(ARCHIVAL_BATCH_SIZE="100", VAULT_MAX_ENTRY_BYTES=str(MOST_BYTES)), poison, by_hand)
    poison.must_hold()
    by_hand.must_hold()


def two_beats(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let two beats send a sweep every 20 s, and kill the one that sends."""
    _archive_all(fleet, off)
    fleet.report_usage(2000)
    first = _start_beat(fleet, "beat-1")
    until(lambda: len(_starts(fleet)) > 0, 60, "a first sweep")
    _start_beat(fleet, "beat-2")
    until(lambda: len(_starts(fleet)) > 2, 90, "a third sweep")
    since = time.monotonic()
    fleet.kill(first)
    seen = len(_starts(fleet))
    until(lambda: len(_starts(fleet)) > seen, 120, "a sweep after the beat was killed")
    row.recovered(time.monotonic() - since, 30 + INTERVAL_SECS + 10)
    until(lambda: len(_starts(fleet)) > seen + 1, 60, "one more")
    starts = sorted(_starts(fleet).values())
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    row.runs = len(starts)
    row.demand(min(gaps) > 0.85 * INTERVAL_SECS, f"two sweeps within {min(gaps):.1f} s")
    row.judge(fleet)


def _archive_all(fleet: Fleet, off: str) -> None:
    """Let a sweep with time enough do the work: a beat's sweep ends after its short interval, done or not."""
    patient = fleet.start_worker(ARCHIVAL_INTERVAL_HOURS="24")
    fleet.wait_ready(patient)
    fleet.sweep()
    fleet.settles()
    patient.stop(grace_secs=30)
    fleet.start_workers(off=off)


def _start_beat(fleet: Fleet, name: str, off: str = "") -> Child:
    command = [sys.executable, "-m", "celery", "-A", "worker_app", "beat", "-l", "INFO"]
    settings = {**fleet.stack.child_environ(), "PYTHONPATH": str(HERE), "SWITCHED_OFF": off}
    return fleet.stack.children.start(name, command, settings)


def _starts(fleet: Fleet) -> dict[str, float]:
    """When each sweep that a beat sent started, by its id."""
    found: Any = fleet.redis.zrange("memory_graph:sweep:index", 0, -1)
    ids = [sweep_id.decode() for sweep_id in found if sweep_id.decode() != fleet.sweep_id]
    return {one: parse_timestamp(fleet.sweep_field("started_at", one)).timestamp() for one in ids}


@pytest.mark.waits
def test_two_beats(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "two beats; one killed",
        "one sweep an interval",
        f"a sweep every {INTERVAL_SECS:.0f} s; the beat that sends is killed, the other takes over; runs = sweeps",
        14,
    )
    two_beats(fleet(ARCHIVAL_INTERVAL_HOURS=str(INTERVAL_SECS / 3600)), one)
    one.must_hold()


def outlives_redis(fleet: Fleet, row: Row, off: str = "") -> None:
    """Take Redis away from a beat that sends and one that stands by; then the first is killed."""
    _archive_all(fleet, off)
    fleet.report_usage(300)
    beats = [_start_beat(fleet, "beat-1", off)]
    until(lambda: len(_starts(fleet)) > 0, 60, "a first sweep")
    beats.append(_start_beat(fleet, "beat-2", off))
    until(lambda: "beat: Starting" in beats[1].log.read_text(), 60, "the second stands by")
    time.sleep(STANDING_BY_SECS)
    fleet.stack.kill_server("broker")
    time.sleep(AWAY_SECS)
    fleet.stack.launch_again("broker", wait=True)
    time.sleep(STANDING_BY_SECS)
    row.demand(all(beat.is_alive for beat in beats), "a beat did not live on")
    seen = len(_starts(fleet))
    since = time.monotonic()
    fleet.kill(beats[0])
    with contextlib.suppress(TimeoutError):
        until(lambda: len(_starts(fleet)) > seen or not beats[1].is_alive, LOCK_SECS + 60, "the standby sends")
    row.demand(len(_starts(fleet)) > seen, "the beat that stood by sent nothing")
    row.recovered(time.monotonic() - since, LOCK_SECS + STANDBY_INTERVAL_SECS + 10)
    row.judge(fleet)


@pytest.mark.waits
def test_a_standby_beat_through_an_outage(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "two beats through an outage of Redis; then the one that sends is killed",
        "both outlive it; the one that stood by takes over",
        f"SIGKILL of the server and a start {AWAY_SECS:.0f} s later; a sweep every {STANDBY_INTERVAL_SECS:.0f} s",
        41,
    )
    outlives_redis(fleet(ARCHIVAL_INTERVAL_HOURS=str(STANDBY_INTERVAL_SECS / 3600)), one)
    one.must_hold()


def bounds_a_sweep(fleet: Fleet, row: Row, off: str = "") -> None:
    """Kill workers at random moments while a sweep may have two batches under way; one page and one end may meet."""
    lot = random.Random(21)
    fleet.vault.plays("slow", delays(0.2), on="POST /api/v1/archive/batch")
    fleet.start_workers(off=off)
    fleet.work(200)
    pending: list[int] = []
    row.runs = BOUNDED_KILLS
    for _ in range(BOUNDED_KILLS):
        end = time.monotonic() + lot.uniform(1.0, 4.0)
        while time.monotonic() < end:
            pending.append(int(fleet.redis.hlen(f"memory_graph:sweep:{fleet.sweep_id}:batches")))
            time.sleep(0.02)
        fleet.kill(lot.choice([worker for worker in fleet.workers if worker.is_alive]))
        fleet.start_worker(off=off)
    row.judge(fleet)
    row.demand(max(pending) > 0, "no batch was seen")
    row.demand(max(pending) <= MOST_BATCHES + 1, f"{max(pending)} batches were under way")


def test_a_bounded_sweep_whose_workers_are_killed(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "SIGKILL of workers while a sweep may have two batches under way",
        "the walk goes on; counts are exact; never more than three batches",
        f"{BOUNDED_KILLS} kills at random moments; batches of 5; runs = kills",
        20,
    )
    bounds_a_sweep(fleet(ARCHIVAL_BATCH_SIZE="5", ARCHIVAL_MOST_BATCHES=str(MOST_BATCHES)), one)
    one.must_hold()
