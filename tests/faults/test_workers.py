"""Workers and their pool children that are killed, stopped or asked to go, in the middle of their work."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.fleet import ARCHIVAL, REGISTRY, TIMEOUT_SECS, Fleet, until
from faults.matrix import Row
from faults.proxy import delays
from memory_graph_workers.cli.stack.processes import Child

KILLS = 20
CHILD_KILLS = 15
COUNTDOWN_KILLS, FAR_SECS = 10, 14 * 86_400.0
SLACK_SECS = 5  # beyond the visibility timeout, for lost work to be back
STOPPED_SECS = 90
GRACE_SECS = 5
BATCHES = "POST /api/v1/archive/batch"
USAGE = "POST /api/v1/usage"


def is_ready(worker: Child) -> bool:
    return worker.is_alive and "ready." in worker.log.read_text(errors="replace")


def keeps_busy(fleet: Fleet) -> None:
    """Send more reports where few are left."""
    if fleet.waiting() < 300:
        fleet.report_usage(300)


def kills_workers(fleet: Fleet, row: Row, off: str = "") -> None:
    """Kill a ready worker at random moments, in turn with its children and without them."""
    lot = random.Random(20)
    fleet.vault.plays("slow", delays(0.5), on=BATCHES)
    fleet.registry.plays("slow", delays(0.03), on=USAGE)
    fleet.start_workers(off=off)
    fleet.work()
    watchers: list[threading.Thread] = []
    back: list[float] = []
    row.runs = KILLS
    for number in range(KILLS):
        keeps_busy(fleet)
        until(lambda: sum(map(is_ready, fleet.workers)) > 1, 60, "two workers ready")
        time.sleep(lot.uniform(0.1, 1.2))
        victim = lot.choice([worker for worker in fleet.workers if is_ready(worker)])
        since = time.monotonic()
        if number % 2:
            fleet.kill(victim)
        else:
            victim.process.kill()
            victim.process.wait()
        held = fleet.in_hand()
        watchers.append(
            threading.Thread(target=lambda *args: back.append(fleet.recovery_secs(*args)), args=(held, since, 60))
        )
        watchers[-1].start()
        fleet.start_worker(off=off)
    for watcher in watchers:
        watcher.join()
    row.recovered(max(back), TIMEOUT_SECS + SLACK_SECS)
    row.judge(fleet)


def test_workers_killed_at_random(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "SIGKILL of a worker, at 20 random moments",
        "every effect once; the lost work restarts within visibility timeout + 5 s",
        f"in turn with its children and without them; visibility timeout {TIMEOUT_SECS} s; runs = kills",
        1,
    )
    kills_workers(fleet(), one)
    one.must_hold()


def stops_a_worker(fleet: Fleet, row: Row, off: str = "") -> None:
    fleet.vault.plays("slow", delays(0.5), on=BATCHES)
    stopped, _ = fleet.start_workers(off=off)
    fleet.work()
    until(lambda: fleet.effects().usage.total() > 20 and fleet.vault.seen(BATCHES), 60, "work under way")
    since = time.monotonic()
    os.killpg(stopped.process.pid, signal.SIGSTOP)
    row.recovered(fleet.recovery_secs(fleet.in_hand(), since, 60), TIMEOUT_SECS + SLACK_SECS)
    time.sleep(max(0, STOPPED_SECS - (time.monotonic() - since)))
    fleet.report_usage(200)
    os.killpg(stopped.process.pid, signal.SIGCONT)
    time.sleep(5)  # what it had in flight when it was stopped comes to its end
    row.judge(fleet)
    row.demand(stopped.is_alive, "the worker did not live on")


@pytest.mark.waits
def test_a_worker_stopped_for_long(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "SIGSTOP of a worker for 90 s, then SIGCONT",
        "every effect once",
        f"the worker and its children; visibility timeout {TIMEOUT_SECS} s",
        2,
    )
    stops_a_worker(fleet(), one)
    one.must_hold()


def children_of(worker: Child) -> list[int]:
    pid = worker.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kills_children(fleet: Fleet, row: Row, off: str = "") -> None:
    """Kill pool children at random, beside a task that kills its own each time and one past its hard limit."""
    lot = random.Random(3)
    workers = fleet.start_workers(off=off)
    fleet.producer.send_task("faults.kills_its_child", queue=ARCHIVAL, task_id="poison")
    fleet.work()
    row.runs = CHILD_KILLS + 2
    for _ in range(CHILD_KILLS):
        time.sleep(lot.uniform(0.3, 0.8))
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(lot.choice(children_of(lot.choice(workers))), signal.SIGKILL)
    # Not before: chance could kill its child three times.
    fleet.producer.send_task("faults.outlasts_its_limit", queue=ARCHIVAL, task_id="endless")
    row.judge(fleet, letters={"lost_worker": 1, "hard_time_limit": 1})
    poison = fleet.dead.get("poison")
    row.demand(poison and poison.attempts == 3, "the task that kills its child was not given up after 3 losses")
    row.demand(fleet.dead.get("endless"), "the task past its hard limit is not among the dead letters")


@pytest.mark.short
def test_pool_children_killed(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "SIGKILL of a pool child; a task that kills its child each time; a task past its hard limit",
        "done once; dead-lettered after 3; dead-lettered",
        f"{CHILD_KILLS} children killed at random while 2 workers of 2 work",
        3,
    )
    kills_children(fleet(ARCHIVAL_BATCH_SIZE="5"), one)  # so that chance hits no batch three times
    one.must_hold()


def asked_to_go(fleet: Fleet, row: Row, off: str = "") -> None:
    """TERM a worker whose batches take longer than its grace."""
    fleet.vault.plays("slow", delays(3 * GRACE_SECS), on=BATCHES, times=8)
    going = fleet.start_worker(off=off)
    fleet.wait_ready(going)
    fleet.work()
    until(lambda: fleet.vault.seen(BATCHES), 60, "a batch under way")
    since = time.monotonic()
    going.process.terminate()
    fleet.start_worker(off=off)
    with contextlib.suppress(TimeoutError):
        until(lambda: not going.is_alive, 4 * GRACE_SECS, "the worker gone")
    secs = time.monotonic() - since
    row.demand(not going.is_alive and secs < GRACE_SECS + 5, f"still there {secs:.0f} s after TERM")
    row.demand(going.process.returncode == 0, f"exit code {going.process.returncode}")
    row.recovered(fleet.recovery_secs(held_by(fleet, going), time.monotonic(), 30), 2)
    row.judge(fleet)


def held_by(fleet: Fleet, gone: Child) -> set[bytes]:
    """What is in flight right after a worker went: nothing of it may be its own, and nobody else is ready yet."""
    return set() if sum(map(is_ready, fleet.workers)) else fleet.in_hand()


def test_a_worker_asked_to_go(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "TERM with more work than the grace period allows",
        "what ended is acknowledged, the rest is back at once; nothing lost, no effect twice",
        f"grace {GRACE_SECS} s, batches of {3 * GRACE_SECS} s",
        4,
    )
    asked_to_go(fleet(WORKER_GRACE_SECS=str(GRACE_SECS)), one)
    one.must_hold()


def asked_and_killed(fleet: Fleet, row: Row, off: str = "") -> None:
    """TERM a worker, and KILL it before its grace is over."""
    fleet.vault.plays("slow", delays(6), on=BATCHES, times=8)
    going, _ = fleet.start_workers(off=off)
    fleet.work()
    until(lambda: len(fleet.vault.seen(BATCHES)) > 1, 60, "batches under way")
    going.process.terminate()
    time.sleep(1)
    since = time.monotonic()
    fleet.kill(going)
    row.recovered(fleet.recovery_secs(fleet.in_hand(), since, 60), TIMEOUT_SECS + SLACK_SECS)
    row.judge(fleet)


def test_a_worker_asked_to_go_and_killed(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "TERM, then KILL inside the grace period",
        "nothing lost, no effect twice, back within visibility timeout + 5 s",
        f"KILL 1 s after TERM; visibility timeout {TIMEOUT_SECS} s; in-flight batches of 6 s",
        5,
    )
    asked_and_killed(fleet(), one)
    one.must_hold()


def kills_while_waiting(fleet: Fleet, row: Row, off: str = "") -> None:
    """Kill every worker that takes a task whose countdown is days long; then let its time come."""
    waiting = len(fleet.reports)
    task_id = fleet.send_report(waiting, countdown_secs=FAR_SECS)
    due = _headers_of(fleet, task_id)
    row.runs = COUNTDOWN_KILLS
    for _ in range(COUNTDOWN_KILLS):
        since = float(fleet.redis.time()[0])
        worker = fleet.start_worker(off=off)
        fleet.wait_ready(worker)
        with contextlib.suppress(TimeoutError):
            until(lambda: _is_taken(fleet, since), 30, "the task is in the worker's hand, or waits in Redis")  # noqa: B023
        fleet.kill(worker)
    found = _headers_of(fleet, task_id)
    row.demand(found.get("eta") == due["eta"], f"its time is {found.get('eta')}, not {due['eta']}")
    row.demand(not found.get("worker_losses"), f"{found.get('worker_losses')} lost workers are counted")
    row.demand(not fleet.letters(), f"dead letters {[str(letter.reason) for letter in fleet.letters()]}")
    _let_its_time_come(fleet, task_id)
    fleet.reports.append(waiting)
    fleet.start_workers(off=off)
    fleet.work(200)
    row.judge(fleet)


def _is_taken(fleet: Fleet, since: float) -> bool:
    """Whether nothing waits on a queue, and all that is in-flight was taken since then, or waits for its time."""
    taken: Any = fleet.redis.zrange("unacked_index", 0, -1, withscores=True)
    return bool(taken) and not fleet.waiting() and all(score >= since for _, score in taken)


def _in_flight(fleet: Fleet, task_id: str) -> dict[bytes, dict[str, Any]]:
    found: Any = fleet.redis.hgetall("unacked")
    messages = {tag: json.loads(noted)[0] for tag, noted in found.items()}
    return {tag: message for tag, message in messages.items() if message["headers"]["id"] == task_id}


def _headers_of(fleet: Fleet, task_id: str) -> dict[str, Any]:
    queued: Any = fleet.redis.lrange(REGISTRY, 0, -1)
    messages = [*map(json.loads, queued), *_in_flight(fleet, task_id).values()]
    return next((message["headers"] for message in messages if message["headers"]["id"] == task_id), {})


def _let_its_time_come(fleet: Fleet, task_id: str) -> None:
    """Put the task on its queue as one whose time is now: nobody can wait for days here."""
    for tag, message in _in_flight(fleet, task_id).items():
        fleet.redis.hdel("unacked", tag)
        fleet.redis.zrem("unacked_index", tag)
        message["headers"]["eta"] = None
        fleet.redis.lpush(REGISTRY, json.dumps(message))


@pytest.mark.waits
def test_kills_while_a_task_waits_for_days(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        f"{COUNTDOWN_KILLS} workers killed while a task waits with a countdown of days",
        "no dead letter, no loss counted, its time stays; it runs once when that comes",
        f"a countdown of {FAR_SECS / 86_400:.0f} days; SIGKILL of each worker that could have it; runs = kills",
        45,
    )
    kills_while_waiting(fleet(), one)
    one.must_hold()
