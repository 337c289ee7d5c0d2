"""The life of a session: which status follows which, and which message comes too late.

Messages about a session come late, twice and out of order. Where all of them say when they were asked for (`asked_at`),
their order does not decide whether the session is active or has ended: the latest end or reopening does, and of two of
the same time the end. Of several ends the first that arrives decides between completed and failed. A message without
the time counts as asked for when it arrives, by this Registry's clock, and never comes too late itself.
"""

from dataclasses import dataclass
from datetime import datetime

from ...schemas.refusals import Refusal, RefusalReason
from ...schemas.registry import SessionStatus, StatusUpdate
from .records import SessionRecord

_TRANSITIONS = {
    SessionStatus.ACTIVE: {SessionStatus.COMPLETED, SessionStatus.FAILED},
    SessionStatus.COMPLETED: {SessionStatus.ARCHIVED},
    SessionStatus.FAILED: {SessionStatus.ARCHIVED},
    SessionStatus.ARCHIVED: set[SessionStatus](),
}
_ENDS = (SessionStatus.COMPLETED, SessionStatus.FAILED)


@dataclass(frozen=True)
class Step:
    """What a message makes of a session; with a `refusal` the session stays as it is."""

    status: SessionStatus
    ended_at: datetime | None
    refusal: Refusal | None = None


def update(record: SessionRecord, wanted: StatusUpdate, now: datetime) -> Step:
    """Take note of a status message, and return the step that it leads to: only ever forward."""
    asked_at = _earlier(wanted.asked_at, now)
    came_late = _is_late(record, wanted.status, asked_at)
    _note_end(record, wanted.status, asked_at or now)
    current = SessionStatus(record.status)
    refusal = _refusal(record, current, wanted, came_late=came_late)
    if refusal or wanted.status is current:
        return Step(current, record.ended_at, refusal)
    return Step(wanted.status, now if current is SessionStatus.ACTIVE else record.ended_at)


def reopen(record: SessionRecord, asked_at: datetime | None, now: datetime) -> Step:
    """Take note of a reopening, and return the step that it leads to.

    A session that has ended again since is not active: it ended now, so that it is archived again.
    """
    asked_at, current = _earlier(asked_at, now), SessionStatus(record.status)
    if _is_at_most(asked_at, record.reopening_asked_at):
        return Step(current, record.ended_at)
    record.reopening_asked_at = _later(asked_at or now, record.reopening_asked_at)
    if current is SessionStatus.ACTIVE:
        return Step(current, record.ended_at)
    if record.ending_status and _is_at_most(asked_at, record.ending_asked_at):
        return Step(SessionStatus(record.ending_status), now)
    return Step(SessionStatus.ACTIVE, None)


def _refusal(record: SessionRecord, current: SessionStatus, wanted: StatusUpdate, *, came_late: bool) -> Refusal | None:
    if wanted.if_ended_at is not None and wanted.if_ended_at != record.ended_at:
        return Refusal(RefusalReason.SESSION_WENT_ON, session_status=current)
    if wanted.status is current:
        return None
    if wanted.status not in _TRANSITIONS[current]:
        return Refusal(RefusalReason.STATUS_NOT_ALLOWED, session_status=current)
    return Refusal(RefusalReason.ASKED_TOO_EARLY, session_status=current) if came_late else None


def _note_end(record: SessionRecord, status: SessionStatus, asked_at: datetime) -> None:
    """Remember the latest end that was asked for, also if it is refused: the reopening before it may come later."""
    if status in _ENDS and not _is_at_most(asked_at, record.ending_asked_at):
        record.ending_asked_at, record.ending_status = asked_at, status.value


def _is_late(record: SessionRecord, status: SessionStatus, asked_at: datetime | None) -> bool:
    if asked_at is None:
        return False
    is_repeat = status in _ENDS and _is_at_most(asked_at, record.ending_asked_at)
    return is_repeat or (record.reopening_asked_at is not None and asked_at < record.reopening_asked_at)


def _is_at_most(asked_at: datetime | None, noted: datetime | None) -> bool:
    return asked_at is not None and noted is not None and asked_at <= noted


def _later(asked_at: datetime, noted: datetime | None) -> datetime:
    return asked_at if noted is None else max(asked_at, noted)


def _earlier(asked_at: datetime | None, now: datetime) -> datetime | None:
    """Return when a message was asked for; a clock that is ahead of the Registry's counts as the Registry's."""
    return None if asked_at is None else min(asked_at, now)
