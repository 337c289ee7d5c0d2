"""One page of a sweep's walk: the Registry is listed until a batch is full, and nothing is changed."""

import time
from collections.abc import Sequence
from dataclasses import replace

from ..clients.errors import TransientError
from ..clients.paging import Cursor
from ..schemas.base import derived_id, digest
from . import archiving, connections
from .pages import Page, Position
from .sweeps import Sweep, Sweeps

LONGEST_PAGE_SECS = 5.0
MOST_LISTINGS = 50


def list_page(state: Sweeps, running: Sweep, here: Position, last: Page | None) -> Page:
    """List sessions from here until a batch is full, the pass is over, or five seconds have passed.

    Raises: TransientError where the Registry is down, IntegrationError where its answer is of no use.
    """
    size, end = connections.config().scheduler.batch_size, time.monotonic() + LONGEST_PAGE_SECS
    page = _begun(here, last)
    carried, cursor = list(page.carried), page.following
    for _ in range(MOST_LISTINGS):
        if cursor is None or len(carried) >= size or time.monotonic() > end:
            break
        try:
            due, listed, cursor = _listed(running, cursor, size)
        except TransientError:
            if cursor == here.cursor:
                raise
            break  # what was listed until now counts; the next page tries again
        new = [one for one in state.untaken(running.sweep_id, due) if one not in carried]
        carried += new
        page = replace(page, found=page.found + len(new), listed=page.listed + listed)
    return _in_batches(running.sweep_id, replace(page, following=cursor), carried, size)


def _begun(here: Position, last: Page | None) -> Page:
    begun = Page(here, {}, here.cursor, carried=last.carried if last else [])
    if last and last.position.pass_number == here.pass_number:
        return replace(begun, found=last.found, listed=last.listed)
    return begun


def _listed(running: Sweep, cursor: Cursor, size: int) -> tuple[list[str], int, Cursor | None]:
    """The due sessions at a cursor, how many sessions there were, and the next cursor."""
    answer = connections.registry().list_sessions(cursor.page, size)
    due = [session.session_id for session in answer.sessions if archiving.is_due(session, running.cutoff)]
    following = cursor.after([session.session_id for session in answer.sessions], answer)
    return due, len(answer.sessions), following


def _in_batches(sweep_id: str, page: Page, ids: Sequence[str], size: int) -> Page:
    """The sessions in batches; what does not fill one is carried on, until the pass is over."""
    whole = len(ids) - len(ids) % size if page.following else len(ids)
    where = (page.position.pass_number, page.position.index)
    batches = {
        derived_id("batch", sweep_id, *where, digest(part)): part for part in archiving.chunks(ids[:whole], size)
    }
    return replace(page, batches=batches, carried=list(ids[whole:]))
