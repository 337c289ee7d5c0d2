"""The Registry's sessions: registering, listing, their life cycle."""

from datetime import datetime

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...schemas.base import canonical_json
from ...schemas.registry import SessionInfo, SessionList, SessionRegistration, SessionStatus
from . import listing as registry_listing
from . import totals as registry_totals
from .listing import Filters
from .models import note_model
from .records import SessionRecord

_NEXT = {
    SessionStatus.ACTIVE: {SessionStatus.COMPLETED, SessionStatus.FAILED},
    SessionStatus.COMPLETED: {SessionStatus.ARCHIVED},
    SessionStatus.FAILED: {SessionStatus.ARCHIVED},
    SessionStatus.ARCHIVED: set[SessionStatus](),
}


def register(session: Session, asked: SessionRegistration, now: datetime) -> SessionInfo:
    """Record a new session; the same registration again changes nothing, another one under its id is a 409."""
    record = _find(session, asked.session_id)
    if record is None:
        record = _record(asked, now)
        session.add(record)
        note_model(session, asked.model_id, asked.model_version, now)
        session.flush()
        registry_listing.count_in(session, record)
    elif not _is_same(record, asked):
        abort(409, message="A session with this id is registered with other content.")
    return info(session, record)


def listed(
    session: Session, page: int, page_size: int, status: SessionStatus | None, started_before: datetime | None
) -> SessionList:
    """One page of sessions in the order of registration, which no change of status moves."""
    filters = Filters(status.value if status else None, started_before)
    records, total = registry_listing.page(session, filters, (page - 1) * page_size, page_size)
    used = registry_totals.of_sessions(session, [record.number for record in records])
    return SessionList([_info(record, used) for record in records], total, page, page_size)


def found(session: Session, session_id: str, *, to_change: bool = False) -> SessionRecord:
    """The session's record, or a 404; `to_change` keeps others from changing it meanwhile."""
    record = _find(session, session_id, to_change=to_change)
    if record is None:
        abort(404, message="No session has this id.")
    return record


def info(session: Session, record: SessionRecord) -> SessionInfo:
    """A session with what it used so far."""
    return _info(record, registry_totals.of_sessions(session, [record.number]))


def change_status(session: Session, session_id: str, status: SessionStatus, now: datetime) -> SessionInfo:
    """Move a session on in its life; the status it has already changes nothing, a way back is a 409."""
    record = found(session, session_id, to_change=True)
    current = SessionStatus(record.status)
    if status is not current:
        if status not in _NEXT[current]:
            abort(409, message=f"A session that is {current} cannot become {status}.")
        registry_listing.count_over(session, record, status.value)
        if current is SessionStatus.ACTIVE:
            record.ended_at = now
        session.flush()
    return info(session, record)


def remove(session: Session, session_id: str) -> None:
    """Delete a session; one that is gone already stays gone."""
    record = _find(session, session_id, to_change=True)
    if record is not None:
        session.delete(record)
        session.flush()
        registry_listing.count_out(session, record)


def _find(session: Session, session_id: str, *, to_change: bool = False) -> SessionRecord | None:
    query = select(SessionRecord).where(SessionRecord.session_id == session_id)
    return session.scalars(query.with_for_update() if to_change else query).one_or_none()


def _record(asked: SessionRegistration, now: datetime) -> SessionRecord:
    return SessionRecord(
        session_id=asked.session_id,
        model_id=asked.model_id,
        model_version=asked.model_version,
        started_at=asked.started_at or now,
        status=SessionStatus.ACTIVE.value,
        details=asked.metadata,
        tags=asked.tags,
    )


def _is_same(record: SessionRecord, asked: SessionRegistration) -> bool:
    # By canonical text, because Python takes true for 1.
    same_start = asked.started_at is None or asked.started_at == record.started_at
    content = [record.model_id, record.model_version, record.details, record.tags]
    wanted = [asked.model_id, asked.model_version, asked.metadata, asked.tags]
    return same_start and canonical_json(content) == canonical_json(wanted)


def _info(record: SessionRecord, used: dict[int, tuple[int, int]]) -> SessionInfo:
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
