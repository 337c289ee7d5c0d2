"""One page of a sweep's walk through the Registry's listing: it changes no session."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ...clients.errors import Refused, SerializationError, TransientError
from ...clients.paging import Cursor, rows_of, say_short_total
from ...schemas.canonical import derived_id, digest
from ...schemas.registry import SessionList, SessionStatus
from .. import connections
from .page import Page, Position
from .row_faults import RowFaults
from .session import is_due
from .state import Sweep, Sweeps

LONGEST_PAGE_SECS = 5.0
MOST_LISTINGS = 50
REFUSED = (400, 422)


class Taken(Protocol):
    """Knows which sessions a sweep, or its preview, has taken."""

    def untaken(self, sweep_id: str, ids: Sequence[str]) -> list[str]: ...


def page_at(state: Sweeps, running: Sweep, here: Position) -> Page | None:
    """Return the page at a position, listed and kept; None if the walk is past it.

    A page that was kept before is returned with those of its batches that are still pending.
    Raises: TransientError if the Registry is down, IntegrationError if its response is unusable.
    """
    last = state.page(running.sweep_id)
    if last is None or last.position.is_before(here):
        page = list_page(state, running, here, last)
        last = page if state.keep_page(running.sweep_id, page) else state.page(running.sweep_id)
    return last if last and not here.is_before(last.position) else None


def list_page(state: Taken, running: Sweep, here: Position, last: Page | None) -> Page:
    """List sessions from here until a batch is full, the pass is over, or five seconds have passed.

    Raises: TransientError if the Registry is down, IntegrationError if its response is unusable.
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
            break  # keep what was listed; the next page tries again
        except SerializationError as error:
            page = replace(page, following=None, broken=f"the listing failed: {error}")  # keep what was listed
    return _in_batches(running.sweep_id, page, size)


def _listed_on(state: Taken, running: Sweep, page: Page, cursor: Cursor, size: int) -> Page:
    """Return the page with what one more listing adds."""
    listing = _listing(cursor, size, SessionStatus(page.hint), running.cutoff)
    due = [session.session_id for session in listing.sessions if is_due(session, running.cutoff)]
    rows, ignored = rows_of(listing.sessions), any(session.status != page.hint for session in listing.sessions)
    hint_is_ignored = page.hint_is_ignored or ignored
    if hint_is_ignored:  # else sessions leave the listing as they are archived
        say_short_total(cursor, cursor.listed + rows, listing.total)
    following = cursor.after([session.session_id for session in listing.sessions], listing, rows, size)
    is_repeat = following is not None and following.listed == cursor.listed
    faults = RowFaults() if is_repeat else RowFaults.of(listing.sessions, cursor.listed)
    new = [one for one in state.untaken(running.sweep_id, due) if one not in page.carried]
    # Those in flight may leave the listing before its next page is read, and as many move up, whatever its total says.
    least = page.listed + rows + len(due) - len(new) if following else 0
    return replace(
        page,
        following=following,
        carried=page.carried + new,
        found=page.found + len(new),
        listed=page.listed + rows,
        total=max(page.total if page.listed else listing.total, least),
        hint_is_ignored=hint_is_ignored,
        rows=page.rows + faults,
    )


def _listing(cursor: Cursor, size: int, status: SessionStatus, ended_before: datetime) -> SessionList:
    """Return a listing of sessions with a status; a Registry that refuses this hint gets none.

    `ended_before` is the rule of `is_due`, and is sent only to a Registry that knows it. The start is no hint: a
    producer's clock sets it, to any time, and a session that is due by its end must be found.
    """
    try:
        return connections.registry().list_sessions(cursor.page, size, status, ended_before=ended_before)
    except Refused as error:
        if error.status not in REFUSED:
            raise
        return connections.registry().list_sessions(cursor.page, size)


def _in_batches(sweep_id: str, page: Page, size: int) -> Page:
    """Return the page with its sessions in batches; those that fill none are carried to the next page of the pass."""
    ids = page.carried
    whole = len(ids) - len(ids) % size if page.following else len(ids)
    where = (page.position.pass_number, page.position.index)
    parts = [ids[start : min(start + size, whole)] for start in range(0, whole, size)]
    batches = {derived_id("batch", sweep_id, *where, digest(part)): part for part in parts}
    return replace(page, batches=batches, carried=ids[whole:])
