"""Rows of a listing that cannot be used: counted once, and named by index and field alone."""

import json
from typing import Any

import pytest
from memory_graph_workers.schemas.registry import SessionListSchema
from memory_graph_workers.tasks.archival.row_faults import MOST_NAMED, UNKNOWN, UNREADABLE, RowFaults
from support.fakes.listing import row

SECRET = "canary-of-a-row"


def faults(*rows: Any, first: int = 0) -> RowFaults:
    listing = SessionListSchema().read({"sessions": [row("good"), *rows], "total": 1 + len(rows)})
    return RowFaults.of(listing.sessions, first)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (row("x" * 300), "session_id"),
        (row("s", total_tokens=-1), "total_tokens"),
        (row("s", ended_at="2020-01-31T12:00:00"), "ended_at"),
        (row("s", started_at=SECRET), "started_at"),
        (row("s", status=7), "status"),
        ({"session_id": "s", "model_id": "m", "started_at": "2020-01-31T12:00:00Z"}, "status"),
    ],
)
def test_a_broken_row_is_named_by_its_number_in_the_listing_and_its_field(broken: Any, field: str) -> None:
    found = faults(row("a"), broken, row("b"), first=100)
    assert (found.unreadable, found.unknown_statuses) == (1, 0)
    assert found.named == {f"sessions.102.{field}": UNREADABLE}
    assert SECRET not in found.write()


@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_unknown_status_is_counted_apart_and_its_row_is_numbered_with_the_broken_ones(before: int) -> None:
    found = faults(*[{}] * before, row("s", status=SECRET))
    assert (found.unreadable, found.unknown_statuses) == (before, 1)
    assert found.named[f"sessions.{before + 1}.status"] == UNKNOWN
    assert SECRET not in found.write()


def test_rows_that_can_be_used_are_no_fault() -> None:
    assert not faults(*[row(name, name) for name in ("active", "completed", "failed", "archived")])
    assert RowFaults.read("") == RowFaults()


def test_many_are_counted_and_the_first_are_named() -> None:
    found = faults(*[{}] * 80) + faults(*[row("s", "paused")] * 80, first=81)
    assert (found.unreadable, found.unknown_statuses, len(found.named)) == (80, 80, MOST_NAMED)
    assert RowFaults.read(found.write()) == found
    assert len(json.loads(found.write())["named"]) == MOST_NAMED


def test_the_pass_that_saw_more_counts() -> None:
    few, many = faults({}), faults({}, {}, row("s", "paused"))
    assert few.or_more(many) == many.or_more(few) == many
