"""The fields of a task's payload as keywords or as a dict, for type checkers and editors.

`register_session.delay(session_id="s-1", model_id="gpt-4")` takes them as keywords, `enqueue_many` as dicts. They are
checked before anything is sent by the schema of the same name. A time may be a `datetime` or RFC 3339 text.
"""

from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

from .compliance import ComplianceLevel


class SessionRegistrationFields(TypedDict):
    """The fields of a SessionRegistration, and the call's idempotency key."""

    session_id: str
    model_id: str
    model_version: NotRequired[str]
    started_at: NotRequired[datetime | str]
    metadata: NotRequired[dict[str, Any]]
    tags: NotRequired[list[str]]
    idempotency_key: NotRequired[str | None]


class UsageReportFields(TypedDict):
    """The fields of a UsageReport, and the call's idempotency key."""

    session_id: str
    prompt_tokens: int
    completion_tokens: int
    model_id: NotRequired[str]
    total_tokens: NotRequired[int]
    latency_ms: NotRequired[int | None]
    timestamp: NotRequired[datetime | str]
    metadata: NotRequired[dict[str, Any]]
    idempotency_key: NotRequired[str | None]


class ArchiveEntryFields(TypedDict):
    """The fields of an ArchiveEntry, and the call's idempotency key."""

    session_id: str
    data: Any
    retention_days: int
    id: NotRequired[str]
    archived_at: NotRequired[datetime | str]
    tags: NotRequired[list[str]]
    metadata: NotRequired[dict[str, Any]]
    idempotency_key: NotRequired[str | None]


class RetentionPolicyFields(TypedDict):
    """The fields of a RetentionPolicy, and the call's idempotency key."""

    name: str
    retention_days: int
    compliance_level: ComplianceLevel
    auto_delete: NotRequired[bool]
    description: NotRequired[str]
    policy_id: NotRequired[str]
    created_at: NotRequired[datetime | str]
    tags: NotRequired[list[str]]
    idempotency_key: NotRequired[str | None]


# A type checker takes a task's keywords from a function: it cannot take them from a TypedDict.


def session_registration(**fields: Unpack[SessionRegistrationFields]) -> SessionRegistrationFields:
    """Return the fields."""
    return fields


def usage_report(**fields: Unpack[UsageReportFields]) -> UsageReportFields:
    """Return the fields."""
    return fields


def archive_entry(**fields: Unpack[ArchiveEntryFields]) -> ArchiveEntryFields:
    """Return the fields."""
    return fields


def retention_policy(**fields: Unpack[RetentionPolicyFields]) -> RetentionPolicyFields:
    """Return the fields."""
    return fields
