"""The messages of a sweep: a page calls for its batches and the next page, a batch for a page that waited.

Each has an id that follows from what it asks for: sent twice, it is one task.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...schemas.canonical import derived_id
from .. import connections
from ..app import ARCHIVAL, app
from .page import Page, Position
from .state import Sweeps


def most_batches() -> int:
    """Return how many batches of a sweep may be pending at a time."""
    return connections.config().scheduler.most_batches


def send_page(sweep_id: str, to: Position) -> None:
    """Send the task that lists the page at a position."""
    arguments = (sweep_id, to.pass_number, to.index, asdict(to.cursor))
    _task("walk_page").apply_async(arguments, task_id=derived_id("page", *arguments))


def send_batch(sweep_id: str, batch_id: str, ids: Sequence[str]) -> None:
    """Send the task that archives a batch."""
    _task("archive_batch").apply_async((sweep_id, list(ids)), task_id=batch_id)


def send_sweep(trigger: str, sweep_id: str) -> None:
    """Send the task that starts a sweep."""
    _task("sweep").apply_async((trigger,), task_id=sweep_id)


def send_page_results(state: Sweeps, sweep_id: str, page: Page) -> None:
    """Send what follows from a page: its batches, and the next page if there is room."""
    for batch_id, ids in page.batches.items():
        send_batch(sweep_id, batch_id, ids)
    send_next_page(state, sweep_id, page)


def send_next_page(state: Sweeps, sweep_id: str, page: Page) -> None:
    """Send the page after this one, unless the walk must wait for room; after the last one, end the walk."""
    following = page.next_position
    if following is None:
        state.end_walk(sweep_id, page.why_incomplete)
    elif not state.waits_for_room(sweep_id, most_batches()):
        send_page(sweep_id, following)


def send_after_batch(state: Sweeps, sweep_id: str, walk_may_resume: bool) -> None:
    """Send the next page if the walk waited for a batch to end, and close the sweep if that was the last one."""
    page = state.page(sweep_id) if walk_may_resume else None
    if page:
        send_next_page(state, sweep_id, page)
    state.close_if_done(sweep_id)


def _task(name: str) -> Any:
    return app.tasks[f"{ARCHIVAL}.{name}"]  # by name: the tasks are made of what this module sends
