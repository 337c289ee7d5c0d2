"""The Registry's running totals of usage, which each report's transaction adds to, so that no sum reads the reports."""

from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from ...schemas.usage import TOKEN_KINDS, UsageStats
from ..database.driver import Run
from .counted import SUMS
from .records import ModelRecord, ModelUsage, SessionRecord, SessionUsage


def of_session(run: Run, session_id: str) -> UsageStats | None:
    """A session's total, from its start on until something is reported; None if it does not exist."""
    return _stats(run, _OF_SESSION, session_id)


def of_model(run: Run, model_id: str) -> UsageStats | None:
    """A model's total, from when it was first named on until something is reported; None if it does not exist."""
    return _stats(run, _OF_MODEL, model_id)


def of_sessions(session: Session, numbers: list[int]) -> dict[int, tuple[int, int]]:
    """The number of reports and tokens of many sessions, by session number."""
    columns = (SessionUsage.session_number, SessionUsage.reports, SessionUsage.total_tokens)
    found = session.execute(select(*columns).where(SessionUsage.session_number.in_(numbers)))
    return {number: (reports, tokens) for number, reports, tokens in found}


def _stats(run: Run, statement: Select[*tuple[Any, ...]], subject: str) -> UsageStats | None:
    rows = run.select(statement, subject=subject)
    if not rows:
        return None
    since, first, last, *numbers = rows[0]
    reports, prompt, completion, total, latency, timed, *kinds = [int(number or 0) for number in numbers]
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


# Made once: making one takes longer than running it.
_OF_SESSION = (
    select(
        SessionRecord.started_at,
        SessionUsage.first_at,
        SessionUsage.last_at,
        *[getattr(SessionUsage, name) for name in SUMS],
    )
    .outerjoin_from(SessionRecord, SessionUsage, SessionUsage.session_number == SessionRecord.number)
    .where(SessionRecord.session_id == bindparam("subject"))
)
_OF_MODEL = (
    select(
        ModelRecord.created_at,
        func.min(ModelUsage.first_at),
        func.max(ModelUsage.last_at),
        *[func.sum(getattr(ModelUsage, name)) for name in SUMS],
    )
    .outerjoin_from(ModelRecord, ModelUsage, ModelUsage.model_id == ModelRecord.model_id)
    .where(ModelRecord.model_id == bindparam("subject"))
    .group_by(ModelRecord.number)
)
