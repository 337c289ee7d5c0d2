"""The Registry's usage: reports kept one by one, sums made of them when asked."""

from datetime import datetime

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ..schemas.registry import UsageReport, UsageStats
from . import registry_models, registry_sessions
from .registry_records import UsageRecord

# Nine million reports of this size add up to what 64 bits hold.
_MOST_TOKENS = 10**12


def track(session: Session, report: UsageReport, now: datetime) -> None:
    """Add a report to its session (404 where that is not registered) and to its model."""
    used = registry_sessions.found(session, report.session_id)
    total_tokens = report.total_tokens or 0
    if total_tokens > _MOST_TOKENS:
        abort(422, messages={"total_tokens": [f"Must be at most {_MOST_TOKENS}."]})
    model_id = report.model_id or used.model_id  # the published client leaves it empty
    registry_models.note_model(session, model_id, "", now)
    session.add(
        UsageRecord(
            session_number=used.number,
            model_id=model_id,
            prompt_tokens=report.prompt_tokens,
            completion_tokens=report.completion_tokens,
            total_tokens=total_tokens,
            latency_ms=report.latency_ms,
            reported_at=report.timestamp or now,
            details=report.metadata,
        )
    )


def of_session(session: Session, session_id: str) -> UsageStats:
    """What a session used so far."""
    record = registry_sessions.found(session, session_id)
    return _stats(session, session_id, UsageRecord.session_number == record.number, record.started_at)


def of_model(session: Session, model_id: str) -> UsageStats:
    """What a model was used so far, by sessions deleted meanwhile too."""
    model = registry_models.found(session, model_id)
    return _stats(session, model_id, UsageRecord.model_id == model_id, model.created_at)


def _stats(session: Session, subject: str, wanted: ColumnElement[bool], since: datetime) -> UsageStats:
    columns = (
        func.count(),
        func.sum(UsageRecord.prompt_tokens),
        func.sum(UsageRecord.completion_tokens),
        func.sum(UsageRecord.total_tokens),
        func.avg(UsageRecord.latency_ms),
        func.min(UsageRecord.reported_at),
        func.max(UsageRecord.reported_at),
    )
    count, prompt, completion, total, latency, first, last = session.execute(select(*columns).where(wanted)).one()
    return UsageStats(
        id=subject,
        from_=first or since,
        to=last or since,
        total_prompts=count,
        total_responses=count,
        total_prompt_tokens=int(prompt or 0),
        total_completion_tokens=int(completion or 0),
        total_tokens=int(total or 0),
        avg_latency_ms=float(latency or 0),
    )
