"""The Registry's usage: reports kept one by one, and added to the running totals."""

from datetime import datetime

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.orm import Session

from ...schemas.registry import UsageReport, UsageStats
from . import models as registry_models
from . import sessions as registry_sessions
from . import totals as registry_totals
from .records import UsageRecord

# Nine million reports of this size add up to what 64 bits hold.
_MOST = 10**12


def track(session: Session, report: UsageReport, now: datetime) -> None:
    """Add a report to its session (404 where that is not registered) and to its model."""
    used = registry_sessions.found(session, report.session_id)
    _check(report)
    model_id = report.model_id or used.model_id  # the published client leaves it empty
    registry_models.note_model(session, model_id, "", now)
    record = UsageRecord(
        session_number=used.number,
        model_id=model_id,
        prompt_tokens=report.prompt_tokens,
        completion_tokens=report.completion_tokens,
        total_tokens=report.total_tokens or 0,
        latency_ms=report.latency_ms,
        reported_at=report.timestamp or now,
        details=report.metadata,
    )
    session.add(record)
    session.flush()
    registry_totals.add(session, used.number, record)


def of_session(session: Session, session_id: str) -> UsageStats:
    """What a session used so far."""
    record = registry_sessions.found(session, session_id)
    return registry_totals.of_session(session, record.number, session_id, record.started_at)


def of_model(session: Session, model_id: str) -> UsageStats:
    """What a model was used so far, by sessions deleted meanwhile too."""
    model = registry_models.found(session, model_id)
    return registry_totals.of_model(session, model_id, model.created_at)


def _check(report: UsageReport) -> None:
    for name, number in (("total_tokens", report.total_tokens), ("latency_ms", report.latency_ms)):
        if (number or 0) > _MOST:
            abort(422, messages={name: [f"Must be at most {_MOST}."]})
