"""A preview of a sweep: what it would archive, found without changing anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...schemas.fields import format_timestamp, now
from ...schemas.registry import SessionInfo
from .. import connections, side_by_side
from .reasons import reason_of
from .session import NothingToArchive, is_due, prepare


@dataclass(frozen=True)
class Candidate:
    """A session that is due: why, its size (bytes of canonical JSON), or why it is skipped or cannot be archived."""

    session_id: str
    model_id: str
    why: str
    content_bytes: int = 0
    problem: str = ""
    skipped: str = ""


def candidates() -> Iterator[Candidate]:
    """Yield every session that a sweep would archive now, in the Registry's order.

    Raises: IntegrationError if the Registry cannot be listed.
    """
    scheduler = connections.config().scheduler
    cutoff = scheduler.cutoff(now())
    seen: set[str] = set()
    due: list[SessionInfo] = []
    for session in connections.registry().iter_sessions(scheduler.batch_size):
        if is_due(session, cutoff) and session.session_id not in seen:
            due.append(session)
            seen.add(session.session_id)
        if len(due) == scheduler.batch_size:
            yield from side_by_side.results(_candidate, due)
            due = []
    yield from side_by_side.results(_candidate, due)


def _candidate(session: SessionInfo) -> Candidate:
    why = f"{session.status} {format_timestamp(session.ended_at or session.started_at)}"
    try:
        prepared = prepare(session, [], connections.config().scheduler, {})
    except NothingToArchive as error:
        return Candidate(session.session_id, session.model_id, why, skipped=str(error))
    except Exception as error:  # noqa: BLE001  a problem of this session, and no other's
        return Candidate(session.session_id, session.model_id, why, problem=reason_of(error))
    return Candidate(session.session_id, session.model_id, why, prepared.size_bytes)
