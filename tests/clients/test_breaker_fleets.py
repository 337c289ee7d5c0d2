"""How often the breaker of a fleet opens by chance, and how soon it sees an outage; the rule is the real one."""

import math
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from memory_graph_workers.clients.breaker.redis_storage import CACHE_SECS
from memory_graph_workers.clients.breaker.rule import FAIL_MAX, Window, opens
from memory_graph_workers.clients.breaker.storage import RESET_SECS

PAGE = Path(__file__).parents[2] / "docs" / "decisions" / "when-a-breaker-opens.md"
WORKERS, SHARES = (1, 10, 100, 500), (0.001, 0.01, 0.05, 0.2, 0.5, 0.9, 1.0)
PER_SEC, TOOK_SECS = 5.0, 0.1  # calls of each worker
HOUR_SECS, MOST_CALLS = 3600.0, 12_000
WARM_SECS, TIMEOUT_SECS, OUTAGES = 11.0, 10.0, 4

Cells = list[list[float]]  # for each size of a fleet, by the row alone and by the rule of today
Call = tuple[int, float, float, bool]  # worker, when it began and ended, whether it failed


class RowAlone:
    """Five failures in a row; a success ends a row that its worker knew of when its call began (as before)."""

    def __init__(self) -> None:
        self.in_a_row, self.row_began = 0, 0.0

    def succeeded(self, worker: int, began: float, ended: float) -> None:
        if self.in_a_row and self.row_began <= began:
            self.in_a_row = 0

    def failed(self, worker: int, ended: float) -> bool:
        if not self.in_a_row:
            self.row_began = ended
        self.in_a_row += 1
        return self.in_a_row >= FAIL_MAX


class RowAndShare(RowAlone):
    """The rule of today; each worker sends its successes at most every 0.2 s, or together with a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.window, self.unsent, self.sent_at = Window(), Counter[int](), dict[int, float]()

    def succeeded(self, worker: int, began: float, ended: float) -> None:
        super().succeeded(worker, began, ended)
        self.unsent[worker] += 1
        if ended - self.sent_at.get(worker, -math.inf) >= CACHE_SECS:
            self._send(worker, ended, 0)
            self.in_a_row = 0

    def failed(self, worker: int, ended: float) -> bool:
        super().failed(worker, ended)
        self._send(worker, ended, 1)
        return opens(self.in_a_row, self.window.latest(int(ended)))

    def _send(self, worker: int, ended: float, failed: int) -> None:
        self.window.count(int(ended), self.unsent.pop(worker, 0), failed)
        self.sent_at[worker] = ended


def calls(seed: int, workers: int, share: float, down_at: float = math.inf, secs: float = TOOK_SECS) -> Iterator[Call]:
    """Yield the calls of a fleet, of which a share fails; from `down_at` on all fail, each after so many seconds."""
    rng, now, busy_until = Random(seed), 0.0, [0.0] * workers
    while True:
        now += rng.expovariate(workers * PER_SEC)
        worker, is_down = int(rng.random() * workers), now >= down_at
        if now >= busy_until[worker]:
            ended = now + (secs if is_down else TOOK_SECS)
            busy_until[worker] = ended
            yield worker, now, ended, is_down or rng.random() < share


def openings_per_hour(kind: type[RowAlone], workers: int, share: float) -> float:
    """How often it opens; each time nobody calls for the pause."""
    breaker, openings, secs = kind(), 0, 0.0
    for worker, began, ended, failed in islice(calls(7, workers, share), MOST_CALLS):
        secs = ended + openings * RESET_SECS
        if secs > HOUR_SECS:
            break
        if not failed:
            breaker.succeeded(worker, began, ended)
        elif breaker.failed(worker, ended):
            breaker, openings = kind(), openings + 1
    return openings * HOUR_SECS / secs


def seen_after_secs(kind: type[RowAlone], workers: int, secs: float) -> float:
    """How long an outage lasts at most until the breaker opens, of four that begin at other parts of a second."""
    longest = 0.0
    for seed in range(OUTAGES):
        breaker, down_at = kind(), WARM_SECS + seed / OUTAGES
        for worker, began, ended, failed in calls(seed, workers, 0.0, down_at, secs):
            if not failed:
                breaker.succeeded(worker, began, ended)
            elif breaker.failed(worker, ended):
                longest = max(longest, ended - down_at)
                break
    return longest


@cache
def chances() -> dict[str, Cells]:
    """Openings in an hour, by the share of calls that fail."""
    return {
        f"{share:.1%}".replace(".0%", "%").replace("%", " %"): [
            [openings_per_hour(kind, workers, share) for kind in (RowAlone, RowAndShare)] for workers in WORKERS
        ]
        for share in SHARES
    }


@cache
def seen() -> dict[str, Cells]:
    """Seconds until it opens, by how calls fail in an outage."""
    ways = {"refused at once": TOOK_SECS, f"no response in {TIMEOUT_SECS:.0f} s": TIMEOUT_SECS}
    return {
        how: [[seen_after_secs(kind, workers, secs) for kind in (RowAlone, RowAndShare)] for workers in WORKERS]
        for how, secs in ways.items()
    }


def table(head: str, rows: dict[str, Cells], digits: int) -> str:
    """The rows as Markdown; in each cell what it was and what it is."""
    lines = [f"| {head} | {' | '.join(map(str, WORKERS))} |", "| --- |" + " --- |" * len(WORKERS)]
    for name, cells in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{was:.{digits}f} → {now:.{digits}f}' for was, now in cells)} |")
    return "\n".join(lines)


@pytest.mark.parametrize("share", ["0.1 %", "1 %", "5 %", "20 %"])
def test_a_service_that_fails_now_and_then_opens_no_breaker_of_a_large_fleet(share: str) -> None:
    (was_alone, alone), *larger = chances()[share]
    assert [now for _, now in larger] == [0, 0, 0]
    assert alone <= was_alone


def test_by_the_row_alone_one_failure_in_a_hundred_opens_that_of_a_large_fleet() -> None:
    assert chances()["1 %"][-1][0] > 30


@pytest.mark.parametrize("share", ["90 %", "100 %"])
def test_a_service_that_fails_at_most_calls_opens_every_breaker_again_and_again(share: str) -> None:
    assert all(now > 50 for _, now in chances()[share])


def test_an_outage_is_seen_a_second_or_two_later_than_by_the_row_alone() -> None:
    for cells in seen().values():
        assert all(was <= now < was + 2.5 for was, now in cells)
        assert all(now < was + 1.5 for was, now in cells[1:])


def test_the_page_of_the_decision_shows_these_numbers() -> None:
    page = PAGE.read_text()
    assert table("calls that fail", chances(), 0) in page
    assert table("in an outage calls are", seen(), 1) in page
