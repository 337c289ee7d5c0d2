"""One page of a walk: what it lists, takes and leaves, whatever the listing holds."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from memory_graph_workers.clients.errors import ConnectionError
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionList, SessionStatus
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Status, Sweep, Sweeps
from memory_graph_workers.tasks.archival.walk import list_page, page_at
from support.fakes.listing import SIZE, Registry, row


def running() -> Sweep:
    return Sweep("one", Trigger.MANUAL, Status.RUNNING, now(), now() - timedelta(days=30))


def walked(sweeps: Sweeps) -> list[Page]:
    """Every page of a walk whose batches archive nothing."""
    assert sweeps.begin("one", Trigger.MANUAL, running().cutoff)
    pages, position = list[Page](), Position()
    while position is not None:
        page = page_at(sweeps, running(), position)
        assert page
        pages.append(page)
        position = page.next_position
    return pages


def taken(pages: list[Page]) -> list[str]:
    return [session_id for page in pages for ids in page.batches.values() for session_id in ids]


def test_each_due_session_is_in_one_batch_of_the_size_that_was_set(registry: Registry, sweeps: Sweeps) -> None:
    registry.rows = [row(str(number), "active" if number % 4 == 0 else "completed") for number in range(14)]
    pages = walked(sweeps)
    assert sorted(taken(pages), key=int) == [str(number) for number in range(14) if number % 4]
    sizes = [len(ids) for page in pages for ids in page.batches.values()]
    assert sizes == [SIZE] * 3 + [1]


BROKEN: list[Any] = [{}, row("x" * 300), row("s", total_tokens=-1), row("s", started_at="2020-01-31")]


@pytest.mark.parametrize("broken", BROKEN, ids=["empty", "id", "count", "time"])
def test_a_broken_row_and_an_unknown_status_are_counted_once_in_all_passes(
    registry: Registry, sweeps: Sweeps, broken: Any
) -> None:
    registry.rows = [*(row(str(number)) for number in range(8)), broken, row("p", "paused"), row("last")]
    pages = walked(sweeps)
    assert {page.position.pass_number for page in pages} == {1, 2}
    assert sorted(taken(pages)) == sorted([*(str(number) for number in range(8)), "last"])
    found = sweeps.get("one").row_faults
    assert (found.unreadable, found.unknown_statuses) == (1, 1)
    assert [name[: len("sessions.8")] for name in found.named] == ["sessions.8", "sessions.9"]


class Moving(Registry):
    """Those in `leaving` leave it after so many listings, as sessions do once archived; its total is wrong."""

    def __init__(self, leaving: dict[int, str], total: int) -> None:
        super().__init__()
        self.leaving, self.total = leaving, total

    def list_sessions(self, page: int | None, size: int, status: SessionStatus | None = None, **_: Any) -> SessionList:
        listing = super().list_sessions(page, size)
        if status is SessionStatus.FAILED:
            return replace(listing, sessions=[], total=self.total)
        gone = self.leaving.get(self.listings)
        self.rows = [one for one in self.rows if not gone or not one["session_id"].startswith(gone)]
        return replace(listing, total=self.total)


@pytest.mark.parametrize("total", [0, 1, SIZE])
@pytest.mark.parametrize("last", [1, SIZE - 1, SIZE])
def test_sessions_that_move_up_unseen_are_found_whatever_the_total_says(
    registry: Registry, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch, total: int, last: int
) -> None:
    """`c` moves up behind `a` in the first pass, and in the second behind `b`, the only one that is listed there."""
    moving = Moving({2: "a", 4: "b"}, total)
    ids = [f"{letter}{number}" for letter, many in (("a", SIZE), ("b", SIZE), ("c", last)) for number in range(many)]
    moving.rows = [row(one) for one in ids]
    monkeypatch.setattr(connections, "registry", lambda: moving)
    assert sorted(taken(walked(sweeps))) == ids


def test_a_page_without_one_readable_row_ends_the_walk_and_keeps_what_was_listed(
    registry: Registry, sweeps: Sweeps
) -> None:
    registry.rows = [row("a"), row("b"), {}, {}, {}, {}, row("c")]
    last = walked(sweeps)[-1]
    assert "breaks the contract" in last.why_incomplete
    assert taken([last]) == ["a", "b"]
    assert sweeps.get("one").row_faults.unreadable == 1


def test_a_page_of_broken_and_readable_rows_is_full_by_all_of_them(registry: Registry, sweeps: Sweeps) -> None:
    registry.rows = [row("a"), {}, {}, row("b"), row("c")]
    assert taken(walked(sweeps)) == ["a", "b", "c"]


def test_what_was_listed_before_the_registry_went_away_is_kept(registry: Registry, sweeps: Sweeps) -> None:
    registry.rows, registry.away_at = [row("a"), *[row(str(n), "active") for n in range(9)]], 2
    page = list_page(sweeps, running(), Position(), None)
    assert (page.carried, page.following and page.following.page) == (["a"], 3)
    with pytest.raises(ConnectionError):
        list_page(sweeps, running(), Position(1, 1, page.following or Position().cursor), page)


def test_a_page_that_is_delivered_again_is_not_listed_again(registry: Registry, sweeps: Sweeps) -> None:
    registry.rows = [row(str(number)) for number in range(9)]
    sweeps.begin("one", Trigger.MANUAL, running().cutoff)
    first = page_at(sweeps, running(), Position())
    listings = registry.listings
    assert page_at(sweeps, running(), Position()) == first
    assert registry.listings == listings
