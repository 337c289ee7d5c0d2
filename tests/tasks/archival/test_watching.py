"""What the watch does once a minute, in each state that sweeps can be in."""

from datetime import timedelta
from typing import Any

import pytest
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import format_timestamp, now
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival import sending
from memory_graph_workers.tasks.archival.keys import LOCK, key
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import MAX_RESUMES, Status, Sweeps
from memory_graph_workers.tasks.archival.watching import look_after
from support.fakes.listing import Registry

Sent = list[tuple[str, str]]


@pytest.fixture
def sent(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The messages: task and id."""
    found: Sent = []

    class Task:
        def __init__(self, name: str) -> None:
            self.name = name

        def apply_async(self, arguments: tuple[Any, ...], task_id: str) -> None:
            found.append((self.name, task_id))

    monkeypatch.setattr(sending, "_task", Task)
    return found


def stalled(sweeps: Sweeps, *, hours_ago: float = 0) -> Sweeps:
    """A sweep with a page of two batches, one of which is archived in part, that no worker is on."""
    assert sweeps.begin("one", Trigger.MANUAL, now())
    assert sweeps.keep_page("one", Page(Position(), {"b-1": ["a", "b"], "b-2": ["c"]}, Cursor(2)))
    sweeps.remember_marked("one", "b-1", ["a"])
    started = format_timestamp(now() - timedelta(hours=hours_ago))
    sweeps._redis.hset(key("one"), "started_at", started)  # pyright: ignore[reportPrivateUsage]
    sweeps._redis.delete(LOCK)  # pyright: ignore[reportPrivateUsage]
    return sweeps


def test_a_stalled_sweep_gets_the_messages_again_that_it_lacks(sent: Sent, sweeps: Sweeps) -> None:
    assert look_after(stalled(sweeps), None) == {"status": "resumed", "sweep_id": "one"}
    assert [name for name, _ in sent] == ["archive_batch", "archive_batch", "walk_page"]
    assert {task_id for name, task_id in sent if name == "archive_batch"} == {"b-1", "b-2"}
    assert look_after(sweeps, None) == {"status": "running", "sweep_id": "one"}
    assert len(sent) == 3


def test_a_sweep_that_stalls_again_and_again_ends_and_counts_what_is_archived(sent: Sent, sweeps: Sweeps) -> None:
    stalled(sweeps)
    for _ in range(MAX_RESUMES):
        assert look_after(sweeps, None)["status"] == "resumed"
        sweeps._redis.delete(LOCK)  # pyright: ignore[reportPrivateUsage]
    assert look_after(sweeps, None) == {"status": "incomplete", "sweep_id": "one"}
    assert sweeps.get("one").counts == (1, 2, 0)
    assert "stalled" in sweeps.get("one").reason


@pytest.mark.parametrize(("hours", "ended"), [(6.1, False), (6.2, True), (30, True)])
def test_a_sweep_ends_ten_minutes_after_its_longest_time_also_while_it_is_held(
    sent: Sent, sweeps: Sweeps, hours: float, ended: bool
) -> None:
    told = look_after(stalled(sweeps, hours_ago=hours), "vault")
    assert told["status"] == ("incomplete" if ended else "held")
    assert (sweeps.get("one").status is Status.INCOMPLETE) == ended
    assert sent == []


def test_a_sweep_whose_work_is_done_is_closed(sent: Sent, sweeps: Sweeps) -> None:
    assert sweeps.begin("one", Trigger.MANUAL, now())
    sweeps.end_walk("one")
    assert look_after(sweeps, None) == {"status": "closed", "sweep_id": "one"}
    assert sweeps.get("one").status is Status.COMPLETED


def test_two_watches_send_an_overdue_sweep_under_one_id(sent: Sent, sweeps: Sweeps) -> None:
    told = [look_after(sweeps, None) for _ in range(2)]
    assert [one["status"] for one in told] == ["overdue sweep sent"] * 2
    assert len({task_id for _, task_id in sent}) == 1


@pytest.mark.parametrize("kept_by", ["a pause", "a setting"])
def test_sweeps_that_are_paused_or_switched_off_are_not_started(
    sent: Sent, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch, kept_by: str
) -> None:
    if kept_by == "a pause":
        sweeps.pause()
    else:
        monkeypatch.setenv("ARCHIVAL_ENABLED", "false")
        connections.config.cache_clear()
    assert look_after(sweeps, None) == {"status": "nothing to do"}
    assert sent == []
