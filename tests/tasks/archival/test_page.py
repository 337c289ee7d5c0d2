"""The pages of a walk: which comes next, and when the walk is over."""

from dataclasses import replace
from itertools import pairwise

import pytest
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.row_faults import RowFaults

FIRST = Position()
END = Page(FIRST, {}, None, listed=100)


def after(page: Page) -> Page:
    """The next page, with nothing listed yet."""
    assert page.next_position
    return Page.begun(page.next_position, page)


def test_a_pass_goes_on_page_by_page_from_where_the_last_one_ended() -> None:
    page = Page(FIRST, {"b": ["a"]}, Cursor(2, 3), ["c"], found=2, listed=3)
    following = after(page)
    assert following.position == Position(1, 1, Cursor(2, 3))
    assert (following.batches, following.carried, following.found, following.listed) == ({}, ["c"], 2, 3)


@pytest.mark.parametrize(
    ("last", "pass_number", "hint"),
    [
        (replace(END, found=5), 2, "completed"),  # again: archived sessions may have hidden others
        (END, 2, "failed"),
        (replace(END, hint="failed"), None, ""),
        (replace(END, hint_is_ignored=True), None, ""),  # all were listed, whatever their status
        (replace(END, total=101), 2, "completed"),  # fewer were listed than there were
        (replace(END, found=5, broken="it broke"), None, ""),
    ],
)
def test_after_a_pass_comes_what_the_walk_may_have_missed(last: Page, pass_number: int | None, hint: str) -> None:
    assert (last.next_position and last.next_position.pass_number) == pass_number
    if last.next_position:
        assert after(last).hint == hint


@pytest.mark.parametrize(
    ("found", "before", "round_", "is_ignored", "ends"),
    [
        (1, 1, 3, True, True),  # the third pass, and it pays no more
        (1, 1, 2, True, False),
        (10, 1, 3, True, False),  # a tenth of what it listed
        (3, 4, 3, False, False),  # a quarter less than the pass before
        (4, 5, 3, False, True),
    ],
)
def test_a_walk_gives_up_when_its_passes_no_longer_pay(
    found: int, before: int, round_: int, is_ignored: bool, ends: bool
) -> None:
    page = replace(END, found=found, found_before=before, round=round_, hint_is_ignored=is_ignored)
    assert bool(page.why_incomplete) == ends
    assert (page.next_position is None) == ends


def test_positions_are_in_the_order_of_the_walk() -> None:
    walked = [Position(1, 0), Position(1, 1), Position(2, 0), Position(2, 5)]
    assert all(one.is_before(other) for one, other in pairwise(walked))
    assert not any(one.is_before(one) for one in walked)


def test_what_is_written_is_read_back_without_the_sessions_of_its_batches() -> None:
    faults = RowFaults(1, 2, {"sessions.5.status": "is not known"})
    page = Page(Position(2, 3, Cursor(4, 9, "x")), {"b": ["s"]}, Cursor(5), ["c"], rows=faults, rows_before=faults)
    assert Page.read(page.write().encode()) == replace(page, batches={"b": []})


def test_a_row_that_every_pass_lists_counts_once_and_other_hints_add_to_it() -> None:
    few, many = RowFaults(1, 0, {"a": "x"}), RowFaults(2, 0, {"a": "x", "b": "x"})
    page = replace(END, found=5, rows=many)
    second = replace(after(page), following=None, rows=few)
    assert (second.hint, second.faults) == ("completed", many)
    other = replace(after(second), following=None, rows=few)
    assert (other.hint, other.faults.count) == ("failed", 3)
