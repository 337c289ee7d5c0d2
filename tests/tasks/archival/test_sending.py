"""The messages of a sweep: what is sent twice is one task, and a walk waits for room."""

from typing import Any

import pytest
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.archival import sending
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Status, Sweeps
from support.fakes.listing import Registry

Sent = list[tuple[str, tuple[Any, ...], str]]


@pytest.fixture
def sent(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The messages: task, arguments, id."""
    found: Sent = []

    class Task:
        def __init__(self, name: str) -> None:
            self.name = name

        def apply_async(self, arguments: tuple[Any, ...], task_id: str) -> None:
            found.append((self.name, arguments, task_id))

    monkeypatch.setattr(sending, "_task", Task)
    monkeypatch.setattr(sending, "most_batches", lambda: 2)
    return found


@pytest.fixture
def running(sweeps: Sweeps) -> Sweeps:
    assert sweeps.begin("one", Trigger.MANUAL, now())
    return sweeps


def kept(sweeps: Sweeps, page: Page) -> Page:
    assert sweeps.keep_page("one", page)
    return page


def names(sent: Sent) -> list[str]:
    return [name for name, _, _ in sent]


def test_a_message_that_is_sent_again_has_the_same_id_and_others_have_others(sent: Sent) -> None:
    positions = [Position(), Position(1, 1, Cursor(2, 3)), Position(2, 0)]
    for position in [*positions, *positions]:
        sending.send_page("one", position)
    sending.send_page("two", positions[0])
    ids = [task_id for _, _, task_id in sent]
    assert ids[:3] == ids[3:6]
    assert len(set(ids)) == 4


def test_a_page_with_room_sends_its_batches_and_the_next_page(sent: Sent, running: Sweeps) -> None:
    page = kept(running, Page(Position(), {"b-1": ["a", "b"]}, Cursor(2)))
    sending.send_page_results(running, "one", page)
    assert sent[0] == ("archive_batch", ("one", ["a", "b"]), "b-1")
    assert (sent[1][0], sent[1][1][:3]) == ("walk_page", ("one", 1, 1))


def test_a_page_without_room_sends_its_batches_alone_and_the_next_one_after_a_batch(
    sent: Sent, running: Sweeps
) -> None:
    page = kept(running, Page(Position(), {"b-1": ["a"], "b-2": ["b"]}, Cursor(2)))
    sending.send_page_results(running, "one", page)
    assert names(sent) == ["archive_batch", "archive_batch"]
    may_resume = running.finish_batch("one", "b-1", ["a"], BatchResult(1), 2)
    sending.send_after_batch(running, "one", may_resume)
    assert names(sent) == ["archive_batch", "archive_batch", "walk_page"]


def test_after_the_last_page_the_walk_is_over_and_the_last_batch_closes_the_sweep(sent: Sent, running: Sweeps) -> None:
    page = kept(running, Page(Position(), {"b-1": ["a"]}, None, hint="failed"))
    sending.send_page_results(running, "one", page)
    assert names(sent) == ["archive_batch"]
    assert running.get("one").walked
    running.finish_batch("one", "b-1", ["a"], BatchResult(1), 2)
    sending.send_after_batch(running, "one", walk_may_resume=False)
    assert running.get("one").status is Status.COMPLETED


def test_a_walk_that_broke_ends_its_sweep_as_incomplete_with_the_reason(sent: Sent, running: Sweeps) -> None:
    sending.send_page_results(running, "one", kept(running, Page(Position(), {}, None, broken="it broke")))
    assert running.close_if_done("one")
    assert (running.get("one").status, running.get("one").reason) == (Status.INCOMPLETE, "it broke")
    assert sent == []
