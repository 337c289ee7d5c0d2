"""Usage reports in batches, and many calls in one go: what is broken of them, and who dies in the middle."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.fleet import REGISTRY, TIMEOUT_SECS, Fleet, until
from faults.matrix import Row
from faults.proxy import answers, cuts_after, cuts_before, halves
from memory_graph_workers.cli.processes import Child

BATCH = "registry.track_usage_batch"
USAGE = "POST /api/v1/usage"
KILLS = 3
REFUSED = 3
HERE = Path(__file__).parent


def report_in_batches(fleet: Fleet, number: int = 2000, size: int = 100) -> None:
    """Send usage reports in batches, each under a key of its own."""
    numbers = list(range(len(fleet.reports), len(fleet.reports) + number))
    fleet.reports.extend(numbers)
    for start in range(0, number, size):
        fleet.send(BATCH, REGISTRY, reports=[_report(fleet, one) for one in numbers[start : start + size]])


def _report(fleet: Fleet, number: int) -> dict[str, Any]:
    session_id = fleet.sessions[number % len(fleet.sessions)]
    tokens = {"prompt_tokens": 3, "completion_tokens": 4}
    key = f"report-{number}"
    return {"session_id": session_id, **tokens, "metadata": {"number": number}, "idempotency_key": key}


def breaks_batches(fleet: Fleet, row: Row, off: str = "") -> None:
    """Cut a tenth of the calls, refuse some for a while, and kill workers in the middle of batches."""
    for name, step in {"before": cuts_before, "after": cuts_after, "half": halves, "busy": answers(503)}.items():
        fleet.registry.plays(name, step, on=USAGE, share=0.015)
    workers = fleet.start_workers(off=off)
    lot = random.Random(7)
    for number in range(KILLS):
        report_in_batches(fleet, 1000)
        _kill_one_at_work(fleet, workers, number, lot)
    row.judge(fleet, secs=240)
    row.runs = KILLS + fleet.registry.played().total()


def _kill_one_at_work(fleet: Fleet, workers: list[Child], number: int, lot: random.Random) -> None:
    before = fleet.effects().usage.total()
    until(lambda: fleet.in_hand() and fleet.effects().usage.total() > before + 50, 90, "batches under way")
    time.sleep(lot.uniform(0, 0.3))
    fleet.kill(workers[number % 2])
    workers[number % 2] = fleet.start_worker()
    fleet.wait_ready(workers[number % 2])


def test_batches_of_usage_reports(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "usage in batches: calls cut and refused, workers killed in the middle",
        "each report counted once, under its own key",
        f"6 % of calls broken, {KILLS} workers killed; visibility timeout {TIMEOUT_SECS} s; runs = faults",
        20,
    )
    breaks_batches(fleet(), one)
    one.must_hold()


@pytest.mark.short
def test_only_what_failed_is_sent_again_and_what_is_refused_is_a_letter_of_its_own(
    fleet: Callable[..., Fleet], row: Callable[..., Row]
) -> None:
    one = row(
        "one report in a batch of 100 refused, another without an answer",
        "the others are counted at the first attempt; the refused one can be replayed by itself",
        f"proxy: {REFUSED} times 422, {REFUSED} times cut after the request; runs = both",
        21,
    )
    these = fleet()
    these.registry.plays("refused", answers(422), on=USAGE, times=REFUSED)
    these.registry.plays("cut", cuts_after, on=USAGE, times=REFUSED)
    these.start_workers(1)
    report_in_batches(these, 100)
    until(these.is_idle, 60, "the batch is over")
    letters = these.letters()
    sent = these.registry.seen(USAGE)
    one.demand(len(sent) == 100 + REFUSED, f"{len(sent)} requests, not {100 + REFUSED}")
    one.demand(len(letters) == REFUSED, f"{len(letters)} letters, not {REFUSED}")
    for letter in letters:
        one.demand(letter.task == "memory_graph.registry.track_usage", f"a letter of {letter.task}")
        _replay(these, letter.id)
    one.judge(these)
    one.runs = 2 * REFUSED
    one.must_hold()


def _replay(fleet: Fleet, letter_id: str) -> None:
    command = [sys.executable, "-m", "memory_graph_workers.cli", "dead", "replay", letter_id, "--yes"]
    subprocess.run(command, env=fleet.stack.child_environ(), check=True, capture_output=True, timeout=60)


PRODUCER = """
import sys
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import track_usage
sessions = sys.argv[1].split(",")
calls = [
    {"session_id": sessions[n % len(sessions)], "prompt_tokens": 3, "completion_tokens": 4, "metadata": {"number": n}}
    for n in range(3000)
]
print("go", flush=True)
enqueue_many(track_usage, calls, task_ids=[f"report-{n}" for n in range(3000)])
"""


@pytest.mark.short
def test_a_producer_killed_while_it_enqueues_many(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a producer killed in the middle of enqueue_many, and run again under the same task ids",
        "each report counted once",
        "SIGKILL once a part of 3,000 calls is in the queue",
        22,
    )
    these = fleet()
    command = [sys.executable, "-c", PRODUCER, ",".join(these.sessions)]
    first = subprocess.Popen(command, env=these.stack.child_environ(), stdout=subprocess.PIPE)
    try:
        until(lambda: these.redis.llen(REGISTRY), 60, "some are sent")
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=10)
    one.demand(these.redis.llen(REGISTRY) < 3000, "it was killed too late")
    subprocess.run(command, env=these.stack.child_environ(), check=True, timeout=60, stdout=subprocess.DEVNULL)
    these.reports.extend(range(3000))
    these.start_workers()
    one.judge(these)
    one.must_hold()
