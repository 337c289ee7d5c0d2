"""Payloads of Data-Vault: archives, retention policies, compliance levels."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from marshmallow import fields

from .base import Request, Response
from .compliance import ComplianceLevel as ComplianceLevel
from .fields import Days, Id, Json, JsonObject, ReadCount, SentTimestamp, Switch, Tags, Text, Timestamp, now


def new_id() -> str:
    """Return a random id (uuid4)."""
    return str(uuid4())


@dataclass(frozen=True)
class ArchiveEntry:
    """A session to keep for `retention_days`; `id` is the archive's. Without `archived_at` the server sets its time."""

    session_id: str
    data: Any
    retention_days: int
    id: str = field(default_factory=new_id)
    archived_at: datetime | None = field(default_factory=now)
    tags: list[str] = field(default_factory=list[str])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class ArchiveEntrySchema(Request[ArchiveEntry]):
    model = ArchiveEntry
    identity = "id"
    moment = "archived_at"

    session_id = Id(required=True)
    data = Json(required=True, allow_none=True)
    retention_days = Days(required=True)
    id = Id()
    archived_at = SentTimestamp()
    tags = Tags()
    metadata = JsonObject()


@dataclass(frozen=True)
class PlacedEntry(ArchiveEntry):
    """An entry of a batch that is stored under a policy, if the vault has it."""

    policy_id: str | None = None


class PlacedEntrySchema(ArchiveEntrySchema):
    model = PlacedEntry

    policy_id = Id()


@dataclass(frozen=True)
class RetrievedArchive(ArchiveEntry):
    """An archive as the vault returns it.

    A vault of ours says when it received it, until when it keeps it, under which policy, and which archive of the
    session it received last; others may not.
    """

    received_at: datetime | None = None
    kept_until: datetime | None = None
    policy_id: str | None = None
    newest_archive_id: str | None = None


class RetrievedArchiveSchema(Response[RetrievedArchive]):
    model = RetrievedArchive

    session_id = Id(required=True)
    data = Json(required=True, allow_none=True)
    retention_days = ReadCount(required=True)
    id = Id(required=True)
    archived_at = Timestamp(required=True)
    tags = fields.List(Text())
    metadata = JsonObject()
    received_at = Timestamp()
    kept_until = Timestamp()
    policy_id = Id()
    newest_archive_id = Id()


@dataclass(frozen=True)
class ArchiveResponse:
    """The vault's receipt for one archive; a vault of ours also says until when it keeps it, others may not."""

    archive_id: str
    session_id: str
    status: str
    archived_at: datetime
    received_at: datetime | None = None
    kept_until: datetime | None = None
    policy_id: str | None = None


class ArchiveResponseSchema(Response[ArchiveResponse]):
    model = ArchiveResponse

    archive_id = Id(required=True)
    session_id = Id(required=True)
    status = Text(required=True)
    archived_at = Timestamp(required=True)
    received_at = Timestamp()
    kept_until = Timestamp()
    policy_id = Id()


@dataclass(frozen=True)
class ArchiveFailure:
    """Why the vault refused one session of a batch."""

    session_id: str
    error: str


class ArchiveFailureSchema(Response[ArchiveFailure]):
    model = ArchiveFailure

    session_id = Text(required=True)
    error = Text(required=True, longest=1_000_000)


@dataclass(frozen=True)
class BatchArchiveResponse:
    """The vault's response to a batch; `archived` lists archive ids or session ids (the contract leaves it open).

    `policies` confirms under which policy each archive is, by archive id; None if the vault has no `archive_policy`.
    """

    archived: list[str]
    total: int
    success_count: int
    failed: list[ArchiveFailure] = field(default_factory=list[ArchiveFailure])
    policies: dict[str, Any] | None = None


class BatchArchiveResponseSchema(Response[BatchArchiveResponse]):
    model = BatchArchiveResponse

    archived = fields.List(Text(), required=True)
    failed = fields.List(fields.Nested(ArchiveFailureSchema))
    total = ReadCount(required=True)
    success_count = ReadCount(required=True)
    policies = JsonObject()


@dataclass(frozen=True)
class RetentionPolicy:
    """How long archives under it are kept. Without `created_at` the server sets its time."""

    name: str
    retention_days: int
    compliance_level: ComplianceLevel
    auto_delete: bool = False
    description: str = ""
    policy_id: str = field(default_factory=new_id)
    created_at: datetime | None = field(default_factory=now)
    tags: list[str] = field(default_factory=list[str])


class RetentionPolicySchema(Request[RetentionPolicy]):
    model = RetentionPolicy
    identity = "policy_id"
    moment = "created_at"

    name = Text(required=True, shortest=1, longest=256)
    retention_days = Days(required=True)
    compliance_level = fields.Enum(ComplianceLevel, by_value=True, required=True)
    auto_delete = Switch()
    description = Text()
    policy_id = Id()
    created_at = SentTimestamp()
    tags = Tags()


@dataclass(frozen=True)
class PolicyId:
    """The id of a retention policy, as the vault returns it and as it is applied."""

    policy_id: str


class PolicyCreatedSchema(Response[PolicyId]):
    model = PolicyId

    policy_id = Id(required=True)


class PolicyAssignmentSchema(Request[PolicyId]):
    model = PolicyId

    policy_id = Id(required=True)
