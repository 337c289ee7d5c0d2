"""One page of a sweep's walk: the Registry is listed until a batch is full, and nothing is changed."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

from ...clients.errors import Refused, TransientError
from ...clients.paging import Cursor
from ...schemas.base import derived_id, digest
from ...schemas.registry import SessionList, SessionStatus
from .. import connections
from . import storing as archiving
from .page import Page, Position
from .state import Sweep, Sweeps

LONGEST_PAGE_SECS = 5.0
MOST_LISTINGS = 50
REFUSED = (400, 422)
CLOCKS_DIFFER = timedelta(days=1)


def list_page(state: Sweeps, running: Sweep, here: Position, last: Page | None) -> Page:
    """List sessions from here until a batch is full, the pass is over, or five seconds have passed.

    Raises: TransientError where the Registry is down, IntegrationError where its answer is of no use.
    """
    size, end = connections.config().scheduler.batch_size, time.monotonic() + LONGEST_PAGE_SECS
    page = Page.begun(here, last)
    for _ in range(MOST_LISTINGS):
        if page.following is None or len(page.carried) >= size or time.monotonic() > end:
            break
        try:
            page = _listed_on(state, running, page, page.following, size)
        except TransientError:
            if page.following == here.cursor:
                raise
            break  # what was listed until now counts; the next page tries again
    return _in_batches(running.sweep_id, page, size)


def _listed_on(state: Sweeps, running: Sweep, page: Page, cursor: Cursor, size: int) -> Page:
    """The page with what one more listing finds."""
    answer = _answer(cursor, size, SessionStatus(page.hint), running.started_at)
    due = [session.session_id for session in answer.sessions if archiving.is_due(session, running.cutoff)]
    new = [one for one in state.untaken(running.sweep_id, due) if one not in page.carried]
    return replace(
        page,
        following=cursor.after([session.session_id for session in answer.sessions], answer),
        carried=page.carried + new,
        found=page.found + len(new),
        listed=page.listed + len(answer.sessions),
        hint_is_ignored=page.hint_is_ignored or any(session.status != page.hint for session in answer.sessions),
    )


def _answer(cursor: Cursor, size: int, status: SessionStatus, begun: datetime) -> SessionList:
    """A listing of what started before the sweep, and a day; a Registry that refuses the hints is asked without.

    Not of what started before the cutoff: a session's start is told by its producer's clock, its end by the Registry's
    and the sweep's by a worker's, and one that is due by its end must be found whatever the others say.
    """
    try:
        return connections.registry().list_sessions(cursor.page, size, status, begun + CLOCKS_DIFFER)
    except Refused as error:
        if error.status not in REFUSED:
            raise
        return connections.registry().list_sessions(cursor.page, size)


def _in_batches(sweep_id: str, page: Page, size: int) -> Page:
    """The sessions in batches; what does not fill one is carried on, until the pass is over."""
    ids = page.carried
    whole = len(ids) - len(ids) % size if page.following else len(ids)
    where = (page.position.pass_number, page.position.index)
    batches = {
        derived_id("batch", sweep_id, *where, digest(part)): part for part in archiving.chunks(ids[:whole], size)
    }
    return replace(page, batches=batches, carried=ids[whole:])
