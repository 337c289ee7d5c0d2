"""The Registry's usage: each report is stored, and added to the running totals."""

from datetime import datetime

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.orm import Session

from ...schemas.registry import UsageReport, UsageStats, tokens_by_kind
from . import models as registry_models
from . import sessions as registry_sessions
from . import totals as registry_totals
from . import usage_keys as registry_usage_keys
from .records import UsageRecord
from .usage_keys import Sent

# Nine million reports of this size still fit into a 64-bit total.
_MAX_COUNT = 10**12


def track_once(session: Session, report: UsageReport, sent: Sent, now: datetime, kept_days: int | None) -> None:
    """Add a report as `track` does, unless it is a repeat: by its key, or without one by its bytes within an hour."""
    if sent.key is not None:
        if registry_usage_keys.is_new(session, sent.key, sent.body, now, kept_days):
            track(session, report, now)
    else:
        registry_usage_keys.once_in_an_hour(session, report, sent.body, lambda: track(session, report, now))


def track(session: Session, report: UsageReport, now: datetime) -> None:
    """Add a report to its session (a 404 if that does not exist) and to its model."""
    owner = registry_sessions.get(session, report.session_id)
    _check(report)
    model_id = report.model_id or owner.model_id  # the published client leaves it empty
    registry_models.record_model(session, model_id, "", now)
    record = UsageRecord(
        session_number=owner.number,
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
    registry_totals.add(session, owner.number, record)


def of_session(session: Session, session_id: str) -> UsageStats:
    """A session's usage so far."""
    record = registry_sessions.get(session, session_id)
    return registry_totals.of_session(session, record.number, session_id, record.started_at)


def of_model(session: Session, model_id: str) -> UsageStats:
    """A model's usage so far, including that of deleted sessions."""
    model = registry_models.get(session, model_id)
    return registry_totals.of_model(session, model_id, model.created_at)


def _check(report: UsageReport) -> None:
    most_of_its_kind = max(tokens_by_kind(report.metadata).values(), default=0)
    counts = {"total_tokens": report.total_tokens, "latency_ms": report.latency_ms, "metadata": most_of_its_kind}
    for name, number in counts.items():
        if (number or 0) > _MAX_COUNT:
            abort(422, messages={name: [f"Must be at most {_MAX_COUNT}."]})
