"""A preview of a sweep: what it would archive, found by the sweep's own walk and without changing anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...clients.errors import NothingToArchive, SerializationError
from ...schemas.archival import Trigger
from ...schemas.fields import format_timestamp, now
from ...schemas.registry import SessionInfo
from .. import connections, side_by_side
from .page import Page, Position
from .reasons import reason_of
from .row_faults import RowFaults
from .session import is_due, prepare, read_session
from .state import Status, Sweep
from .walk import list_page


@dataclass(frozen=True)
class Candidate:
    """A session that is due: why, its size (bytes of canonical JSON), or why it is skipped or cannot be archived."""

    session_id: str
    model_id: str
    why: str
    content_bytes: int = 0
    problem: str = ""
    skipped: str = ""


class _Taken:
    """The sessions that earlier pages took, in memory."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def untaken(self, sweep_id: str, ids: Sequence[str]) -> list[str]:
        """Return the ids that no page has taken yet, each once."""
        return [session_id for session_id in dict.fromkeys(ids) if session_id not in self._ids]

    def take(self, page: Page) -> list[str]:
        """Take the sessions of a page's batches, and return them."""
        self._ids.update(page.taken)
        return [session_id for ids in page.batches.values() for session_id in ids]


def candidates(faults: list[RowFaults] | None = None) -> Iterator[Candidate]:
    """Yield every session that a sweep would archive now, in the order in which it would find them.

    At the end, `faults` gets what the walk could not use of the listing.

    Raises: IntegrationError if the Registry cannot be listed to the end.
    """
    moment = now()
    cutoff = connections.config().scheduler.cutoff(moment)
    sweep = Sweep("preview", Trigger.MANUAL, Status.RUNNING, moment, cutoff)
    taken, position, page = _Taken(), Position(), None

    def candidate(session_id: str) -> Candidate | None:
        return _candidate(session_id, sweep)

    while position is not None:
        page = list_page(taken, sweep, position, page)
        yield from filter(None, side_by_side.results(candidate, taken.take(page)))
        position = page.next_position
    if page and faults is not None:
        faults.append(page.faults)
    if page and page.why_incomplete:
        raise SerializationError(page.why_incomplete)


def _candidate(session_id: str, sweep: Sweep) -> Candidate | None:
    try:
        session = read_session(session_id)
    except Exception as error:  # noqa: BLE001  a problem of this session, and no other's
        return Candidate(session_id, "", "", problem=reason_of(error))
    return _examined(session) if is_due(session, sweep.cutoff) else None


def _examined(session: SessionInfo) -> Candidate:
    why = f"{session.status} {format_timestamp(session.ended_at or session.started_at)}"
    try:
        prepared = prepare(session, [], connections.config().scheduler, {})
    except NothingToArchive as error:
        return Candidate(session.session_id, session.model_id, why, skipped=str(error))
    except Exception as error:  # noqa: BLE001  a problem of this session, and no other's
        return Candidate(session.session_id, session.model_id, why, problem=reason_of(error))
    return Candidate(session.session_id, session.model_id, why, prepared.size_bytes)
