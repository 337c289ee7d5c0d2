"""The Registry's running totals of usage, which each report's transaction adds to, so that no sum reads the reports."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ...schemas.registry import TOKEN_KINDS, UsageStats
from .counted import SUMS
from .records import ModelUsage, SessionUsage


def of_session(session: Session, number: int, session_id: str, since: datetime) -> UsageStats:
    """A session's total; `since` is its time until something is reported."""
    return _stats(session, SessionUsage, SessionUsage.session_number == number, session_id, since)


def of_model(session: Session, model_id: str, since: datetime) -> UsageStats:
    """A model's total; `since` is its time until something is reported."""
    return _stats(session, ModelUsage, ModelUsage.model_id == model_id, model_id, since)


def of_sessions(session: Session, numbers: list[int]) -> dict[int, tuple[int, int]]:
    """The number of reports and tokens of many sessions, by session number."""
    columns = (SessionUsage.session_number, SessionUsage.reports, SessionUsage.total_tokens)
    found = session.execute(select(*columns).where(SessionUsage.session_number.in_(numbers)))
    return {number: (reports, tokens) for number, reports, tokens in found}


def _stats(session: Session, table: Any, wanted: ColumnElement[bool], subject: str, since: datetime) -> UsageStats:
    sums = [func.coalesce(func.sum(getattr(table, name)), 0) for name in SUMS]
    columns = (*sums, func.min(table.first_at), func.max(table.last_at))
    *numbers, first, last = tuple(session.execute(select(*columns).where(wanted)).one())
    reports, prompt, completion, total, latency, timed, *kinds = map(int, numbers)
    return UsageStats(
        id=subject,
        from_=first or since,
        to=last or since,
        total_prompts=reports,
        total_responses=reports,
        total_prompt_tokens=prompt,
        total_completion_tokens=completion,
        total_tokens=total,
        avg_latency_ms=latency / timed if timed else 0.0,
        custom_metrics={kind: count for kind, count in zip(TOKEN_KINDS, kinds, strict=True) if count},
    )
