"""The results of tasks, as `.get()` returns them: dicts of plain JSON values, with times as RFC 3339 text in UTC.

Each is named after its model: what the client returns as a SessionInfo, the task returns as a SessionInfoDict.
"""

from typing import Any, NotRequired, TypedDict


class SessionInfoDict(TypedDict):
    """A session; `status` is one of SessionStatus."""

    session_id: str
    model_id: str
    started_at: str
    status: str
    ended_at: str | None
    prompt_count: int
    total_tokens: int
    metadata: dict[str, Any]


class UnreadableRowDict(TypedDict):
    """A row that could not be read: its place on the page, and its field, empty if no field alone is wrong."""

    index: int
    field: str


class SessionListDict(TypedDict):
    """One page of sessions; `total` counts those of all pages."""

    sessions: list[SessionInfoDict]
    total: int
    page: NotRequired[int]
    page_size: NotRequired[int]
    unreadable: NotRequired[list[UnreadableRowDict]]


class ModelParametersDict(TypedDict):
    """A model's default sampling parameters."""

    temperature: float
    max_tokens: int | None
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    stop_sequences: list[str]
    custom: dict[str, Any]


class ModelMetadataDict(TypedDict):
    """A model."""

    model_id: str
    version: str
    provider: str
    created_at: str
    parameters: ModelParametersDict
    description: str
    capabilities: list[str]
    tags: list[str]
    metadata: dict[str, Any]


class ModelListDict(TypedDict):
    """One page of models; `total` counts those of all pages."""

    models: list[ModelMetadataDict]
    total: int
    page: NotRequired[int]
    page_size: NotRequired[int]
    unreadable: NotRequired[list[UnreadableRowDict]]


# Written as a call, because `from` is a keyword. The usage of a session or a model; all zero before its first report.
UsageStatsDict = TypedDict(
    "UsageStatsDict",
    {
        "id": str,
        "from": str,
        "to": str,
        "total_prompts": int,
        "total_responses": int,
        "total_prompt_tokens": int,
        "total_completion_tokens": int,
        "total_tokens": int,
        "avg_latency_ms": float,
        "custom_metrics": dict[str, Any],
    },
)


class RetrievedArchiveDict(TypedDict):
    """An archive as the vault gives it back."""

    session_id: str
    data: Any
    retention_days: int
    id: str
    archived_at: str
    tags: list[str]
    metadata: dict[str, Any]
    received_at: NotRequired[str]
    kept_until: NotRequired[str]
    policy_id: NotRequired[str]
    newest_archive_id: NotRequired[str]


class ArchiveResponseDict(TypedDict):
    """The vault's receipt for one archive."""

    archive_id: str
    session_id: str
    status: str
    archived_at: str
    received_at: NotRequired[str]
    kept_until: NotRequired[str]
    policy_id: NotRequired[str]


class ArchiveFailureDict(TypedDict):
    """Why the vault refused one session of a batch."""

    session_id: str
    error: str


class BatchArchiveResponseDict(TypedDict):
    """What became of a batch: the ids of the archives that are stored, and why the others are not."""

    archived: list[str]
    total: int
    success_count: int
    failed: list[ArchiveFailureDict]
    policies: NotRequired[dict[str, Any]]


class SweepAnswerDict(TypedDict):
    """What `archival.sweep` or `archival.watch` did, to which sweep, and which service it waits for."""

    status: str
    sweep_id: NotRequired[str]
    service: NotRequired[str]


class ArchivedSessionDict(TypedDict):
    """The archive of a session."""

    session_id: str
    archive_id: str


class ArchivedByHandDict(TypedDict):
    """The archive id of each session that was archived, and the reason of each that was not."""

    archived: dict[str, str]
    failed: dict[str, str]
