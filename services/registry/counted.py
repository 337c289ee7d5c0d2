"""What is counted, and what became of it, whichever database counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...schemas.usage import TOKEN_KINDS, UsageReport, tokens_by_kind

SUMS = ("reports", "prompt_tokens", "completion_tokens", "total_tokens", "latency_ms", "timed_reports", *TOKEN_KINDS)
ROUTE = "POST /api/v1/usage"


@dataclass(frozen=True, slots=True)
class Entry:
    """A usage report to count; with a key it counts once. `key` is 16 or 32 bytes, `fields` a digest of 16.

    `sent_key` is the key as it was sent: a release before registry_0004 stored its response under it.
    """

    report: UsageReport
    sent_key: str | None = None
    key: bytes | None = None
    fields: bytes = b""


@dataclass(frozen=True, slots=True)
class Days:
    """Today, counted from 1970, and the first day whose keys are still known."""

    today: int
    first: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of an entry: whether its session exists, and whether it was counted now.

    If it was counted before under its key, `fields` are those of that time, or `fingerprint` is what a release before
    registry_0004 kept of it.
    """

    has_session: bool
    is_new: bool
    fields: bytes | None = None
    fingerprint: str | None = None


def values(entry: Entry, now: datetime) -> dict[str, Any]:
    """Return the columns of its row that do not depend on what the database knows."""
    report = entry.report
    return {
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "total_tokens": report.total_tokens or 0,
        "latency_ms": report.latency_ms,
        "reported_at": report.timestamp or now,
        **dict.fromkeys(TOKEN_KINDS, 0),
        **(tokens_by_kind(report.metadata) if report.metadata else {}),
    }
