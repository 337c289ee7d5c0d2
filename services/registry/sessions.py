"""The Registry's sessions: registration, listing, life cycle."""

from datetime import datetime

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ...schemas.base import canonical_json
from ...schemas.registry import SessionInfo, SessionList, SessionRegistration, SessionStatus
from ..database.storage import BROKEN
from . import listing as registry_listing
from . import totals as registry_totals
from .listing import Filters
from .models import record_model
from .records import SessionRecord, UsageRecord

_TRANSITIONS = {
    SessionStatus.ACTIVE: {SessionStatus.COMPLETED, SessionStatus.FAILED},
    SessionStatus.COMPLETED: {SessionStatus.ARCHIVED},
    SessionStatus.FAILED: {SessionStatus.ARCHIVED},
    SessionStatus.ARCHIVED: set[SessionStatus](),
}


def register(session: Session, registration: SessionRegistration, now: datetime) -> SessionInfo:
    """Record a session; a repeat changes nothing, other content with the same id is a 409.

    Another start is no other content, because a start that nobody chose is the time of the call: the first one stands.
    """
    record = _find(session, registration.session_id)
    if record is None:
        record = _record(registration, now)
        session.add(record)
        record_model(session, registration.model_id, registration.model_version, now)
        session.flush()
        registry_listing.count_added(session, record)
    elif not _is_same(record, registration):
        abort(409, message="A session with this id is registered with other content.")
    return session_info(session, record)


def list_page(
    session: Session, page: int, page_size: int, status: SessionStatus | None, started_before: datetime | None
) -> SessionList:
    """One page of sessions in the order of registration."""
    filters = Filters(status.value if status else None, started_before)
    records, total = registry_listing.page(session, filters, (page - 1) * page_size, page_size)
    used = registry_totals.of_sessions(session, [record.number for record in records])
    sessions = list(registry_listing.readable(records, lambda record: _info(record, used)))
    return SessionList(sessions, total, page, page_size)


def get(session: Session, session_id: str, *, to_change: bool = False) -> SessionRecord:
    """The session's record, locked if `to_change`; a 404 if it does not exist."""
    record = _find(session, session_id, to_change=to_change)
    if record is None:
        abort(404, message="No session has this id.")
    return record


def session_info(session: Session, record: SessionRecord) -> SessionInfo:
    """A session with its usage so far."""
    return _info(record, registry_totals.of_sessions(session, [record.number]))


def change_status(session: Session, session_id: str, status: SessionStatus, now: datetime) -> SessionInfo:
    """Move a session on; its current status changes nothing, a status before it is a 409."""
    record = get(session, session_id, to_change=True)
    current = SessionStatus(record.status)
    if status is not current:
        if status not in _TRANSITIONS[current]:
            abort(409, message=f"A session that is {current} cannot become {status}.")
        registry_listing.count_moved(session, record, status.value)
        if current is SessionStatus.ACTIVE:
            record.ended_at = now
        session.flush()
    return session_info(session, record)


def delete(session: Session, session_id: str) -> None:
    """Delete a session and what its usage reports say beyond numbers; does nothing if it does not exist."""
    record = _find(session, session_id, to_change=True)
    if record is not None:
        mine = UsageRecord.session_number == record.number
        session.execute(update(UsageRecord).where(mine).values(details={}))
        session.delete(record)
        session.flush()
        registry_listing.count_removed(session, record)


def _find(session: Session, session_id: str, *, to_change: bool = False) -> SessionRecord | None:
    query = select(SessionRecord).where(SessionRecord.session_id == session_id)
    return session.scalars(query.with_for_update() if to_change else query).one_or_none()


def _record(registration: SessionRegistration, now: datetime) -> SessionRecord:
    return SessionRecord(
        session_id=registration.session_id,
        model_id=registration.model_id,
        model_version=registration.model_version,
        started_at=registration.started_at or now,
        status=SessionStatus.ACTIVE.value,
        details=registration.metadata,
        tags=registration.tags,
    )


def _is_same(record: SessionRecord, registration: SessionRegistration) -> bool:
    # As canonical text, because True == 1 in Python.
    content = [record.model_id, record.model_version, record.details, record.tags]
    wanted = [registration.model_id, registration.model_version, registration.metadata, registration.tags]
    return canonical_json(content) == canonical_json(wanted)


def _info(record: SessionRecord, used: dict[int, tuple[int, int]]) -> SessionInfo:
    if record.details is BROKEN:
        raise ValueError("The session's metadata is no JSON.")
    prompt_count, total_tokens = used.get(record.number, (0, 0))
    return SessionInfo(
        session_id=record.session_id,
        model_id=record.model_id,
        started_at=record.started_at,
        status=SessionStatus(record.status),
        ended_at=record.ended_at,
        prompt_count=prompt_count,
        total_tokens=total_tokens,
        metadata=record.details,
    )
