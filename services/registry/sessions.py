"""The Registry's sessions: registration, listing, life cycle."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import Executable, Row, bindparam, select, update
from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ...schemas.canonical import canonical_json
from ...schemas.refusals import Refusal, RefusalReason
from ...schemas.registry import (
    FoundSessions,
    SessionInfo,
    SessionInfoSchema,
    SessionList,
    SessionRegistration,
    SessionStatus,
    StatusChange,
    StatusUpdate,
)
from ..database.storage import BROKEN
from ..web.conflict import conflict
from . import life_cycle
from . import listing as registry_listing
from . import totals as registry_totals
from .life_cycle import Step
from .listing import Filters
from .models import record_model
from .outcomes import DONE, NO_SESSION, Outcome, contradicts
from .records import SessionRecord, SessionUsage, UsageRecord

_SCHEMA = SessionInfoSchema()
_STATUSES = frozenset(map(str, SessionStatus))


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
        conflict(Refusal(RefusalReason.OTHER_CONTENT))
    return session_info(session, record)


def list_page(session: Session, page: int, page_size: int, filters: Filters) -> SessionList:
    """One page of sessions in the order of registration."""
    records, total = registry_listing.page(session, filters, (page - 1) * page_size, page_size)
    used = registry_totals.of_sessions(session, [record.number for record in records])
    sessions, unreadable = registry_listing.readable(records, lambda record: _info(record, used.get(record.number)))
    return SessionList(sessions, total, page, page_size, unreadable)


def get(session: Session, session_id: str, *, to_change: bool = False) -> SessionRecord:
    """The session's record, locked if `to_change`; a 404 if it does not exist."""
    record = _find(session, session_id, to_change=to_change)
    if record is None:
        abort(404, message=NO_SESSION.message)
    return record


def read(session: Session, session_id: str) -> SessionInfo:
    """A session with its usage so far; a 404 if it does not exist."""
    row = session.connection().execute(_WITH_USAGE, {"wanted": session_id}).one_or_none()
    if row is None:
        abort(404, message=NO_SESSION.message)
    return _read(row)


def read_many(session: Session, session_ids: Sequence[str]) -> FoundSessions:
    """Those of some sessions that exist and can be read, each with its usage so far."""
    rows = session.connection().execute(_MANY_WITH_USAGE, {"wanted": session_ids})
    return FoundSessions([*filter(None, map(_readable, rows))])


def session_info(session: Session, record: SessionRecord) -> SessionInfo:
    """A session that was read to change it, with its usage so far."""
    return _info(record, registry_totals.of_sessions(session, [record.number]).get(record.number))


def metadata_of(session: Session, session_id: str) -> dict[str, Any]:
    """A session's metadata; empty if the session was deleted."""
    record = _find(session, session_id)
    return {} if record is None else _metadata(record)


def change_status(
    session: Session, session_id: str, wanted: StatusUpdate, now: datetime
) -> tuple[SessionInfo, Refusal | None]:
    """Move a session on, as far as its life cycle allows; returns it, and why the message was refused, if it was."""
    record = get(session, session_id, to_change=True)
    step = life_cycle.update(record, wanted, now)
    return _take(session, record, step), step.refusal


def change_statuses(session: Session, wanted: Sequence[StatusChange], now: datetime) -> list[Outcome]:
    """Move sessions on as `change_status` does each, and return what became of each message, in their order."""
    ids = {one.session_id for one in wanted}
    query = select(SessionRecord).where(SessionRecord.session_id.in_(ids)).order_by(SessionRecord.number)
    records = {record.session_id: record for record in session.scalars(query.with_for_update())}
    before = {record.session_id: (record.status, record.ended_at) for record in records.values()}
    outcomes = [_changed(records.get(one.session_id), one.update, now) for one in wanted]
    moved = [record for record in records.values() if (record.status, record.ended_at) != before[record.session_id]]
    registry_listing.count_moved(session, [(record, before[record.session_id][0]) for record in moved])
    session.flush()
    return outcomes


def reopen(session: Session, session_id: str, asked_at: datetime | None, now: datetime) -> SessionInfo:
    """Let an ended session go on, unless it has ended again since that was asked for."""
    record = get(session, session_id, to_change=True)
    return _take(session, record, life_cycle.reopen(record, asked_at, now))


def delete(session: Session, session_id: str) -> None:
    """Delete a session and what its usage reports say beyond numbers; does nothing if it does not exist."""
    record = _find(session, session_id, to_change=True)
    if record is not None:
        mine = UsageRecord.session_number == record.number
        session.execute(update(UsageRecord).where(mine).values(details={}))
        session.delete(record)
        session.flush()
        registry_listing.count_removed(session, record)


def _changed(record: SessionRecord | None, wanted: StatusUpdate, now: datetime) -> Outcome:
    if record is None:
        return NO_SESSION
    step = life_cycle.update(record, wanted, now)
    record.status, record.ended_at = step.status.value, step.ended_at
    return contradicts(step.refusal) if step.refusal else DONE


def _take(session: Session, record: SessionRecord, step: Step) -> SessionInfo:
    before = record.status, record.ended_at
    record.status, record.ended_at = step.status.value, step.ended_at
    if (record.status, record.ended_at) != before:
        registry_listing.count_moved(session, [(record, before[0])])
    session.flush()
    return session_info(session, record)


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


def _info(record: SessionRecord | Row[Any], used: tuple[int, int] | None) -> SessionInfo:
    """The session as every client can read it, whatever was written into its row; `used` are its reports and tokens.

    Raises: ValidationError naming each field that none can.
    """
    if record.status not in _STATUSES:
        raise ValidationError({"status": ["Unknown."]})
    prompt_count, total_tokens = used or (0, 0)
    values = {
        "session_id": record.session_id,
        "model_id": record.model_id,
        "started_at": record.started_at,
        "status": record.status,
        "ended_at": record.ended_at,
        "prompt_count": prompt_count,
        "total_tokens": total_tokens,
        "metadata": {} if record.details is None else record.details,
    }
    return _SCHEMA.read(values)


def _read(row: Row[Any]) -> SessionInfo:
    return _info(row, (row.reports or 0, row.total_tokens or 0))


def _readable(row: Row[Any]) -> SessionInfo | None:
    """A session, or None: whoever reads it alone is told what is wrong with it."""
    try:
        return _read(row)
    except ValidationError:
        return None


def _metadata(record: SessionRecord) -> dict[str, Any]:
    if record.details is BROKEN:
        raise ValueError("The session's metadata is no JSON.")
    return record.details


# Made once: making one takes longer than running it.
_SESSIONS = select(
    SessionRecord.session_id,
    SessionRecord.model_id,
    SessionRecord.started_at,
    SessionRecord.ended_at,
    SessionRecord.status,
    SessionRecord.details,
    SessionUsage.reports,
    SessionUsage.total_tokens,
).outerjoin_from(SessionRecord, SessionUsage, SessionUsage.session_number == SessionRecord.number)
_WITH_USAGE: Executable = _SESSIONS.where(SessionRecord.session_id == bindparam("wanted"))
_MANY_WITH_USAGE: Executable = _SESSIONS.where(SessionRecord.session_id.in_(bindparam("wanted", expanding=True)))
