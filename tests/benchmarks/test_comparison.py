"""The comparison counts what it says that it counts, and its page holds what it writes."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comparison import faults, page, running
from comparison.contenders import CONTENDERS
from comparison.faults import Outcome, Plan, judged
from comparison.service import HEALTH, JOBS, Counts, Service
from support.waiting import until

ROOT = Path(__file__).parent.parent.parent
BENCHMARKS = ROOT / "benchmarks"
REPORT = "job-1", "job-2", "job-3", "job-4"
ALL_WELL = Outcome(4, 4, 0, 0, 0, 0, 0, repeated_secs=None, all_done_secs=1.0, nudged=False)


@pytest.fixture
def service() -> Iterator[Service]:
    """The service of a contender."""
    with Service() as running:
        yield running


@pytest.fixture
def caller(service: Service) -> Iterator[http.client.HTTPConnection]:
    """A connection to it."""
    connection = http.client.HTTPConnection(*service.server_address[:2], timeout=30)  # pyright: ignore[reportArgumentType]
    yield connection
    connection.close()


def ask(caller: http.client.HTTPConnection, job: str) -> None:
    caller.request("POST", JOBS, json.dumps({"session_id": job}), {"Idempotency-Key": job})


def answered(caller: http.client.HTTPConnection, job: str) -> int:
    ask(caller, job)
    response = caller.getresponse()
    response.read()
    return response.status


def test_each_call_that_comes_to_its_end_is_counted(service: Service, caller: http.client.HTTPConnection) -> None:
    assert [answered(caller, job) for job in ("job-1", "job-2", "job-1")] == [204, 204, 204]
    assert service.counts.carried_out == {"job-1": 2, "job-2": 1}
    assert service.counts.refused == {}
    assert [*service.counts.again_at] == ["job-1"]


def test_a_service_that_is_away_does_nothing(service: Service, caller: http.client.HTTPConnection) -> None:
    service.away = True
    caller.request("GET", HEALTH)
    assert caller.getresponse().read()
    assert [answered(caller, "job-1"), answered(caller, "job-1")] == [503, 503]
    service.away = False
    assert answered(caller, "job-1") == 204
    assert (service.counts.refused, service.counts.begun) == ({"job-1": 2}, {"job-1": 1})
    assert service.counts.carried_out == {"job-1": 1}


def test_a_caller_who_is_gone_leaves_nothing_behind(service: Service, caller: http.client.HTTPConnection) -> None:
    service.takes_secs = 60.0
    ask(caller, "job-1")
    until(lambda: service.counts.begun["job-1"])
    caller.close()
    service.takes_secs = 0.0
    assert answered(caller, "job-2") == 204
    assert service.counts.carried_out == {"job-2": 1}


def test_done_lost_twice_and_failed_are_told_apart() -> None:
    counts = Counts(
        begun=Counter({"job-1": 2, "job-2": 1}),
        refused=Counter({"job-1": 3, "job-3": 1, "warm-1": 9}),
        carried_out=Counter({"job-1": 2, "job-2": 1, "warm-1": 1}),
        done_at={"job-1": 107.0, "job-2": 103.0, "warm-1": 99.0},
        again_at={"job-1": 105.0},
    )
    found = judged(REPORT, counts, failed=["job-2", "job-3"], since=100.0, nudged=False)
    assert (found.sent, found.done, found.failed, found.lost, found.twice) == (4, 2, 1, 1, 1)
    assert (found.refused, found.most_refused, found.repeated) == (4, 3, 1)
    assert (found.repeated_secs, found.all_done_secs) == (5.0, None)


def test_the_clock_ends_when_the_last_of_these_jobs_is_done_for_the_first_time() -> None:
    service = Service()
    for job in ("job-1", "job-2"):
        service.carry_out(job)
    ended = service.counts.done_at["job-2"]
    for job in ("job-2", "nudge"):
        service.carry_out(job)
    service.server_close()
    assert judged(["job-1", "job-2"], service.counts, [], since=ended - 5, nudged=True).all_done_secs == 5.0


@pytest.mark.parametrize(
    ("changes", "after", "who"),
    [
        ({}, "1 s", "nobody"),
        ({"done": 3, "failed": 1, "all_done_secs": None}, "never", "somebody, for 1 job"),
        ({"done": 1, "failed": 1, "all_done_secs": None}, "not in 120 s", "somebody, for 3 jobs"),
        ({"nudged": True}, "1 s (not in 120 s; then one more job was sent)", "whoever sends the next job"),
    ],
)
def test_the_page_says_who_has_to_act(changes: dict[str, object], after: str, who: str) -> None:
    outcome = Outcome(**{**vars(ALL_WELL), **changes})  # pyright: ignore[reportArgumentType]
    assert (page.after(outcome, Plan()), page.who_acts(outcome)) == (after, who)


def test_the_page_has_a_row_for_each_system_and_every_setting() -> None:
    text = page.PAGE.read_text()
    for fault, extra in page.FAULT_COLUMNS.items():
        block = text.partition(f"<!-- {fault} -->")[2].partition("<!-- end -->")[0].strip().splitlines()
        assert block[0] == "| " + " | ".join(["system", *page.COLUMNS, *extra]) + " |"
        assert [line.split(" | ")[0].removeprefix("| ") for line in block[2:]] == [one.name for one in CONTENDERS]
    assert all(one.settings in text for one in CONTENDERS)


def test_the_page_was_run_with_the_versions_that_are_pinned_and_nothing_is_left_out() -> None:
    text = page.PAGE.read_text()
    for name in ("celery", "taskiq", "procrastinate"):
        pinned = (BENCHMARKS / "comparison" / f"constraints-{name}.txt").read_text()
        (one,) = [one for one in CONTENDERS if one.python.parts[-3] == name]
        shown = ", ".join(f"{package} {version_in(pinned, package)}" for package in one.packages)
        assert f"| {one.name} | {shown} | {one.settings} |" in text
    assert not re.search(r"\|\s*(-|n/a|\?|not run)?\s*\|$", text.partition("<!-- killed -->")[2], re.MULTILINE)


def version_in(pinned: str, package: str) -> str:
    return re.findall(rf"^{package}==(\S+)", pinned, re.MULTILINE)[0]


def test_the_page_says_which_servers_all_of_them_ran_on() -> None:
    assert re.fullmatch(r"Python 3\.\d+\.\d+, Valkey [\d.]+ and PostgreSQL [\d.]+", running.servers())
    [block] = re.findall("<!-- plan -->(.*?)<!-- end -->", page.PAGE.read_text(), re.DOTALL)
    assert re.search(r"with Python\s3\.\d+\.\d+, Valkey\s[\d.]+\sand\sPostgreSQL\s[\d.]+\.\n", block)


def test_a_missing_mark_is_named() -> None:
    with pytest.raises(LookupError, match="no <!-- plan -->"):
        page.filled("<!-- end -->", "plan", "")


def test_two_that_wait_run_side_by_side() -> None:
    began = time.monotonic()
    waits = [faults.wait(lambda: False, 0.2) for _ in range(5)]
    while waits:
        waits = [one for one in waits if next(one, "over") is None]
    assert time.monotonic() - began < 0.9


@pytest.mark.stack
def test_our_own_row_loses_nothing_while_the_service_is_away(compared: Callable[..., dict[str, Any]]) -> None:
    found = compared("away", "--secs", "4", "--jobs", "12", "--still", "2")
    assert (found["sent"], found["done"], found["lost"], found["twice"], found["failed"]) == (12, 12, 0, 0, 0)
    assert found["refused"] > 0
    assert found["who_acts"] == "nobody"


@pytest.mark.stack
def test_our_own_row_loses_nothing_with_a_killed_worker(compared: Callable[..., dict[str, Any]]) -> None:
    found = compared("killed", "--still", "8")
    assert (found["sent"], found["done"], found["lost"], found["twice"], found["failed"]) == (10, 10, 0, 0, 0)
    assert found["repeated"] == 2, "both jobs in its hands ran again"


@pytest.fixture
def compared() -> Callable[..., dict[str, Any]]:
    """Runs the comparison for our own row with a short lease, and gives its figures."""

    def run(fault: str, *options: str) -> dict[str, Any]:
        text = page.PAGE.read_text()
        name = "this package, short lease"
        command = [sys.executable, "compare.py", fault, "--json", "--only", name, *options]
        done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert page.PAGE.read_text() == text, "a part of the comparison must leave the page alone"
        return json.loads(done.stdout)[fault][name]

    return run
