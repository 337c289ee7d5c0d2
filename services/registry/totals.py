"""The Registry's running totals of usage, updated in each report's transaction, so that no sum reads the reports."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ...schemas.registry import TOKEN_KINDS, UsageStats, tokens_by_kind
from ..database.upsert import greatest, least, upsert
from .records import ModelUsage, SessionUsage, UsageRecord

# A model's total is split into this many rows, so that reports of different sessions rarely wait for each other.
_SLOTS = 16
_SUMS = ("reports", "prompt_tokens", "completion_tokens", "total_tokens", "latency_ms", "timed_reports", *TOKEN_KINDS)


def add(session: Session, session_number: int, report: UsageRecord) -> None:
    """Add a report to the totals of its session and its model."""
    _add(session, SessionUsage, {"session_number": session_number}, report)
    _add(session, ModelUsage, {"model_id": report.model_id, "slot": session_number % _SLOTS}, report)


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


def _add(session: Session, table: Any, key: dict[str, Any], report: UsageRecord) -> None:
    row = {
        **key,
        "reports": 1,
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "total_tokens": report.total_tokens,
        "latency_ms": report.latency_ms or 0,
        "timed_reports": int(report.latency_ms is not None),
        "first_at": report.reported_at,
        "last_at": report.reported_at,
        **dict.fromkeys(TOKEN_KINDS, 0),
        **tokens_by_kind(report.details),
    }
    upsert(session, table, list(key), row, lambda new: _sum(table, new))


def _sum(table: Any, new: Any) -> dict[str, Any]:
    sums = {name: getattr(table, name) + getattr(new, name) for name in _SUMS}
    return {
        **sums,
        "first_at": least(table.first_at, new.first_at),
        "last_at": greatest(table.last_at, new.last_at),
    }


def _stats(session: Session, table: Any, wanted: ColumnElement[bool], subject: str, since: datetime) -> UsageStats:
    sums = [func.coalesce(func.sum(getattr(table, name)), 0) for name in _SUMS]
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
