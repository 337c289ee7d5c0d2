"""Payloads of LLM-Registry: sessions and models here, token usage in `usage`; import all of them from here."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from marshmallow import fields

from .base import Request, Response
from .fields import Amount, Choice, Id, JsonObject, ReadCount, SentTimestamp, Tags, Text, Timestamp, now
from .rows import Rows, UnreadableRow, UnreadableRows, merge_unreadable
from .usage import TOKEN_KINDS as TOKEN_KINDS
from .usage import KeyedUsageReport as KeyedUsageReport
from .usage import KeyedUsageReportSchema as KeyedUsageReportSchema
from .usage import UsageReport as UsageReport
from .usage import UsageReportSchema as UsageReportSchema
from .usage import UsageStats as UsageStats
from .usage import UsageStatsSchema as UsageStatsSchema
from .usage import tokens_by_kind as tokens_by_kind


class SessionStatus(StrEnum):
    """The status of a session; only `completed` and `failed` sessions are archived."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class SessionRegistration:
    """A session to register. Without `started_at` the server sets its time."""

    session_id: str
    model_id: str
    model_version: str = ""
    started_at: datetime | None = field(default_factory=now)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: list[str] = field(default_factory=list[str])


class SessionRegistrationSchema(Request[SessionRegistration]):
    model = SessionRegistration
    moment = "started_at"

    session_id = Id(required=True)
    model_id = Id(required=True)
    model_version = Text(longest=256)
    started_at = SentTimestamp()
    metadata = JsonObject()
    tags = Tags()


@dataclass(frozen=True)
class SessionInfo:
    """A session as the registry knows it."""

    session_id: str
    model_id: str
    started_at: datetime
    status: SessionStatus | str  # a text where it is none of ours; such a session is not due
    ended_at: datetime | None = None
    prompt_count: int = 0
    total_tokens: int = 0
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class SessionInfoSchema(Response[SessionInfo]):
    model = SessionInfo

    session_id = Id(required=True)
    model_id = Text(required=True)
    started_at = Timestamp(required=True)
    ended_at = Timestamp(allow_none=True)
    status = Choice(SessionStatus, by_value=True, required=True)
    prompt_count = ReadCount()
    total_tokens = ReadCount()
    metadata = JsonObject()


_SESSION_FIELDS = frozenset(SessionInfoSchema().fields)


@dataclass(frozen=True)
class SessionList:
    """One page of sessions; `total` counts all pages. Without `page` the server does not number them."""

    sessions: list[SessionInfo]
    total: int
    page: int | None = None
    page_size: int | None = None
    unreadable: list[UnreadableRow] = field(default_factory=list[UnreadableRow])


class SessionListSchema(Response[SessionList]):
    model = SessionList

    sessions = Rows(fields.Nested(SessionInfoSchema), required=True)
    total = ReadCount(required=True)
    page = ReadCount()
    page_size = ReadCount()
    unreadable = UnreadableRows()

    def check(self, data: dict[str, Any]) -> None:
        """Number the rows that could not be read, here or by the service, by their places on the page."""
        merge_unreadable(data, "sessions", _SESSION_FIELDS)


@dataclass(frozen=True)
class FoundSessions:
    """Those of some sessions that one request found, in any order."""

    sessions: list[SessionInfo]


class FoundSessionsSchema(Response[FoundSessions]):
    model = FoundSessions

    sessions = Rows(fields.Nested(SessionInfoSchema), required=True)


@dataclass(frozen=True)
class StatusUpdate:
    """The status to set, if the session still ended at `if_ended_at` and nothing later than `asked_at` has happened."""

    status: SessionStatus
    if_ended_at: datetime | None = None
    asked_at: datetime | None = None


class StatusUpdateSchema(Request[StatusUpdate]):
    model = StatusUpdate

    status = fields.Enum(SessionStatus, by_value=True, required=True)
    if_ended_at = SentTimestamp()
    asked_at = SentTimestamp()


@dataclass(frozen=True)
class StatusChange:
    """The status to set of one of many sessions, under the conditions of a StatusUpdate."""

    session_id: str
    status: SessionStatus
    if_ended_at: datetime | None = None
    asked_at: datetime | None = None

    @property
    def update(self) -> StatusUpdate:
        """The same without its session."""
        return StatusUpdate(self.status, self.if_ended_at, self.asked_at)


class StatusChangeSchema(Request[StatusChange]):
    model = StatusChange

    session_id = Id(required=True)
    status = fields.Enum(SessionStatus, by_value=True, required=True)
    if_ended_at = SentTimestamp()
    asked_at = SentTimestamp()


@dataclass(frozen=True)
class EntryFailure:
    """An entry of a batch that was refused: its place, the HTTP status that it would have got alone, and why.

    `reason` is one of the contract's reasons of a refusal, or a sentence.
    """

    index: int
    status: int
    reason: str


class EntryFailureSchema(Response[EntryFailure]):
    model = EntryFailure

    index = ReadCount(required=True)
    status = ReadCount(required=True)
    reason = Text(required=True)


@dataclass(frozen=True)
class BatchOutcome:
    """How many entries of a batch are done, and those that are not."""

    accepted: int
    failed: list[EntryFailure] = field(default_factory=list[EntryFailure])


class BatchOutcomeSchema(Response[BatchOutcome]):
    model = BatchOutcome

    accepted = ReadCount(required=True)
    failed = fields.List(fields.Nested(EntryFailureSchema), required=True)


@dataclass(frozen=True)
class ModelParameters:
    """A model's default sampling parameters; temperature from 0 to 2."""

    temperature: float = 1.0
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] = field(default_factory=list[str])
    custom: dict[str, Any] = field(default_factory=dict[str, Any])


class ModelParametersSchema(Response[ModelParameters]):
    model = ModelParameters

    temperature = Amount(least=0, most=2)
    max_tokens = ReadCount(allow_none=True)
    top_p = Amount(allow_none=True)
    frequency_penalty = Amount(allow_none=True)
    presence_penalty = Amount(allow_none=True)
    stop_sequences = fields.List(Text())
    custom = JsonObject()


@dataclass(frozen=True)
class ModelMetadata:
    """A model as the registry knows it."""

    model_id: str
    version: str
    provider: str
    created_at: datetime
    parameters: ModelParameters = field(default_factory=ModelParameters)
    description: str = ""
    capabilities: list[str] = field(default_factory=list[str])
    tags: list[str] = field(default_factory=list[str])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class ModelMetadataSchema(Response[ModelMetadata]):
    model = ModelMetadata

    model_id = Id(required=True)
    version = Text(required=True)
    provider = Text(required=True)
    created_at = Timestamp(required=True)
    parameters = fields.Nested(ModelParametersSchema)
    description = Text(longest=100_000)
    capabilities = fields.List(Text())
    tags = fields.List(Text())
    metadata = JsonObject()


_MODEL_FIELDS = frozenset(ModelMetadataSchema().fields)


@dataclass(frozen=True)
class ModelList:
    """One page of models; `total` counts all pages. Without `page` the server does not number them."""

    models: list[ModelMetadata]
    total: int
    page: int | None = None
    page_size: int | None = None
    unreadable: list[UnreadableRow] = field(default_factory=list[UnreadableRow])


class ModelListSchema(Response[ModelList]):
    model = ModelList

    models = Rows(fields.Nested(ModelMetadataSchema), required=True)
    total = ReadCount(required=True)
    page = ReadCount()
    page_size = ReadCount()
    unreadable = UnreadableRows()

    def check(self, data: dict[str, Any]) -> None:
        """Number the rows that could not be read, here or by the service, by their places on the page."""
        merge_unreadable(data, "models", _MODEL_FIELDS)
