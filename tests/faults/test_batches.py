"""Usage reports in batches, and many calls in one go: what is broken of them, and who dies in the middle."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.fleet import REGISTRY, TIMEOUT_SECS, Fleet, until
from faults.matrix import Row
from faults.proxy import answers, cuts_after, cuts_before, halves
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.clients.breaker import FAIL_MAX
from memory_graph_workers.delivery.dead_letters.store import Reason
from support.forked import mgw

BATCH, TRACK = "registry.track_usage_batch", "memory_graph.registry.track_usage"
USAGE, TOGETHER = "POST /api/v1/usage$", "POST /api/v1/usage/batch$"
KILLS = 3
REFUSED = 3
PAUSE, ASKED = "memory_graph:breaker:registry:pause", "memory_graph:hold:asked:registry"
HERE = Path(__file__).parent


def report_in_batches(fleet: Fleet, number: int = 2000, size: int = 100) -> None:
    """Send usage reports in batches, each under a key of its own."""
    numbers = list(range(len(fleet.reports), len(fleet.reports) + number))
    fleet.reports.extend(numbers)
    for start in range(0, number, size):
        fleet.send(BATCH, REGISTRY, reports=[_report(fleet, one) for one in numbers[start : start + size]])


def without_batches(fleet: Fleet) -> Fleet:
    """Let the Registry be one that takes no batches: reports go side by side, each in a request of its own."""
    fleet.registry.plays("no such route", answers(404), on=TOGETHER)
    return fleet


def _report(fleet: Fleet, number: int) -> dict[str, Any]:
    session_id = fleet.sessions[number % len(fleet.sessions)]
    tokens = {"prompt_tokens": 3, "completion_tokens": 4}
    return {"session_id": session_id, **tokens, "metadata": {"number": number}, "idempotency_key": _key(number)}


def _key(number: int) -> str:
    return f"report-{number}"


def breaks_batches(fleet: Fleet, row: Row, off: str = "") -> None:
    """Cut a tenth of the calls, refuse some for a while, and kill workers in the middle of batches."""
    for name, step in {"before": cuts_before, "after": cuts_after, "half": halves, "busy": answers(503)}.items():
        fleet.registry.plays(name, step, on=USAGE, share=0.015)
        fleet.registry.plays(f"{name}, a batch", step, on=TOGETHER, share=0.1)  # of a hundred times fewer requests
    workers = fleet.start_workers(off=off)
    lot = random.Random(7)
    for number in range(KILLS):
        report_in_batches(fleet, 1000)
        _kill_one_at_work(fleet, workers, number, lot)
    row.judge(fleet, secs=240)
    row.runs = KILLS + sum(often for name, often in fleet.registry.played().items() if name != "no such route")


def _kill_one_at_work(fleet: Fleet, workers: list[Child], number: int, lot: random.Random) -> None:
    before = fleet.effects().usage.total()

    def are_under_way() -> bool:
        counted = fleet.effects().usage.total()
        if counted == len(fleet.reports):  # all were done before this could see one
            report_in_batches(fleet, 1000)
        return counted > before + 50 and bool(fleet.in_hand())

    until(are_under_way, 90, "batches under way")
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
    breaks_batches(without_batches(fleet()), one)
    one.must_hold()


def test_batches_that_go_in_one_request(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "usage in batches of one request: calls cut and refused, workers killed in the middle",
        "each report counted once, under its own key",
        f"40 % of requests broken, {KILLS} workers killed; visibility timeout {TIMEOUT_SECS} s; runs = faults",
        47,
    )
    these = fleet()
    breaks_batches(these, one)
    one.demand(not these.registry.seen(USAGE), "reports went one by one")
    one.must_hold()


def test_a_registry_that_loses_and_gains_batches(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a Registry that takes no batches, then does (an upgrade), then does not (a rollback), under load",
        "each report counted once, and no letter",
        "the route is hidden and shown by a proxy while reports wait; workers start again for the upgrade",
        48,
    )
    these = without_batches(fleet())
    workers = these.start_workers()
    report_in_batches(these, 1000)
    until(lambda: these.effects().usage.total() > 50, 90, "reports are counted one by one")
    these.registry.heals()
    for number in range(2):
        these.kill(workers[number])
        workers[number] = these.start_worker()
        these.wait_ready(workers[number])
    report_in_batches(these, 2000)
    until(lambda: these.registry.seen(TOGETHER)[3:], 90, "batches are taken")
    without_batches(these)
    report_in_batches(these, 1000)
    one.judge(these, secs=240)
    one.demand(these.letters() == [], f"{len(these.letters())} letters")
    one.must_hold()


@pytest.mark.short
def test_only_what_failed_is_sent_again_and_what_is_refused_is_a_letter_of_its_own(
    fleet: Callable[..., Fleet], row: Callable[..., Row]
) -> None:
    one = row(
        "one report in a batch of 100 refused, another without a response",
        "the others are counted at the first attempt; the refused one can be replayed by itself",
        f"proxy: {REFUSED} times 422, {REFUSED} times cut after the request; runs = both",
        21,
    )
    these = without_batches(fleet())
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
        one.demand(letter.task == TRACK, f"a letter of {letter.task}")
        _replay(these, letter.id)
    one.judge(these)
    one.runs = 2 * REFUSED
    one.must_hold()


@pytest.mark.short
def test_a_report_that_fails_at_every_attempt_is_a_letter_of_its_own_and_can_be_replayed(
    fleet: Callable[..., Fleet], row: Callable[..., Row]
) -> None:
    one = row(
        "one report in a batch of 100 gets a 500 at every attempt, another no response at every attempt",
        "each is its own dead letter after the last attempt; the others are counted at the first; a replay counts once",
        "3 attempts; the registry counts the one without a response, and its response is cut; runs = both",
        23,
    )
    failed, cut = 10, 60  # two fail four times in a row at the later attempts: a third one would open the breaker
    these = without_batches(fleet(TASK_MAX_ATTEMPTS="3"))
    these.registry.plays("500", answers(500), on=USAGE, keys=[_key(failed)])
    these.registry.plays("cut", cuts_after, on=USAGE, keys=[_key(cut)])
    these.start_workers(1)
    report_in_batches(these, 100)
    until(lambda: these.letters() and these.is_idle(), 60, "the last attempt is over")
    _demand_letters(one, these, {failed: 500, cut: None}, attempts=3)
    _demand_requests(one, these, {failed: 3, cut: 3})
    counted = these.effects().usage
    one.demand(counted == Counter(set(these.reports) - {failed}), f"counted before the replay: {counted}")
    these.registry.heals()
    for number in (failed, cut):
        _replay(these, _key(number))
    one.judge(these)
    _demand_requests(one, these, {failed: 4, cut: 4})
    one.runs = 2
    one.must_hold()


@pytest.mark.short
def test_a_report_that_the_breaker_refuses_at_the_last_attempt_is_sent_again_and_spends_none(
    fleet: Callable[..., Fleet], row: Callable[..., Row]
) -> None:
    one = row(
        "80 reports in a batch of 100 get a 500 at both attempts: the fifth in a row opens the breaker",
        "five are dead letters; those not sent wait with their last attempt unspent, and are counted after it",
        "2 attempts, one call at a time; the breaker's pause is cut short; runs = those that failed",
        24,
    )
    failing = [number for number in range(100) if number % 5 < 4]  # at the first attempt a good one follows every four
    letters = failing[:FAIL_MAX]  # the others are not sent at the second
    these = without_batches(fleet(TASK_MAX_ATTEMPTS="2", CALLS_SIDE_BY_SIDE="1"))
    these.registry.plays("500", answers(500), on=USAGE, keys=[_key(number) for number in failing])
    these.start_workers(1)
    report_in_batches(these, 100)
    until(lambda: these.redis.exists(PAUSE), 30, "the breaker is open")
    until(lambda: these.waiting() == 1 and not these.in_hand(), 30, "the rest of the batch is held on its queue")
    _demand_letters(one, these, dict.fromkeys(letters, 500), attempts=2)
    _demand_requests(one, these, dict.fromkeys(letters, 2))
    one.demand(these.attempts_spent() == 1, f"{these.attempts_spent()} attempts spent, not 1")
    these.registry.heals()
    without_batches(these)
    these.redis.delete(PAUSE)
    until(these.is_idle, 60, "the rest of the batch is over")
    _demand_letters(one, these, dict.fromkeys(letters, 500), attempts=2)
    _demand_requests(one, these, dict.fromkeys(failing, 2))
    counted = these.effects().usage
    one.demand(counted == Counter(set(these.reports) - set(letters)), f"counted before the replay: {counted}")
    for number in letters:
        _replay(these, _key(number))
    one.judge(these)
    one.runs = len(failing)
    one.must_hold()


@pytest.mark.short
def test_a_long_wait_that_is_asked_for_at_the_last_attempt_spends_none(fleet: Callable[..., Fleet]) -> None:
    these = without_batches(fleet(TASK_MAX_ATTEMPTS="2"))
    these.registry.plays("500", answers(500), on=USAGE, keys=[_key(5)], times=1)
    these.registry.plays("asks", answers(503, Retry_After="5000"), on=USAGE, keys=[_key(5)], times=1)
    these.start_workers(1)
    report_in_batches(these, 10, 10)
    until(lambda: these.redis.exists(ASKED) or these.letters(), 30, "the last attempt is over")
    assert these.letters() == []
    until(lambda: these.waiting() == 1 and not these.in_hand(), 30, "the rest of the batch is held on its queue")
    assert these.attempts_spent() == 1
    these.redis.delete(ASKED)  # the wait is over
    until(these.is_idle, 60, "the rest of the batch is over")
    assert these.effects().usage == Counter(these.reports)
    assert these.letters() == []


@pytest.mark.short
def test_with_one_attempt_what_the_breaker_refuses_is_a_letter_of_its_own(fleet: Callable[..., Fleet]) -> None:
    these = without_batches(fleet(TASK_MAX_ATTEMPTS="1", CALLS_SIDE_BY_SIDE="1"))
    these.registry.plays("500", answers(500), on=USAGE)
    these.start_workers(1)
    report_in_batches(these, 10, 10)
    until(lambda: these.letters() and these.is_idle(), 60, "the only attempt is over")
    assert len(these.registry.seen(USAGE)) == FAIL_MAX
    assert {one.id: one.task for one in these.letters()} == {_key(number): TRACK for number in these.reports}


def _demand_letters(row: Row, fleet: Fleet, statuses: dict[int, int | None], attempts: int) -> None:
    """These reports, and nothing else, must be letters whose attempts are used up."""
    told = (TRACK, Reason.ATTEMPTS_EXHAUSTED, attempts)
    due = {_key(number): (*told, status) for number, status in statuses.items()}
    found = {one.id: (one.task, one.reason, one.attempts, one.status) for one in fleet.letters()}
    row.demand(found == due, f"letters {found}, not {due}")


def _demand_requests(row: Row, fleet: Fleet, often: dict[int, int]) -> None:
    """Each report must have been sent once, and these so often."""
    sent = Counter(seen.key for seen in fleet.registry.seen(USAGE))
    due = Counter({_key(number): often.get(number, 1) for number in fleet.reports})
    wrong = {key: sent[key] for key in sent | due if sent[key] != due[key]}
    row.demand(not wrong, f"requests {wrong}, not as due")


def _replay(fleet: Fleet, letter_id: str) -> None:
    done = mgw("dead", "replay", letter_id, "--yes", environ=fleet.stack.child_environ())
    assert done.returncode == 0, done.stderr


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
