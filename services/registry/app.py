"""The Registry's HTTP routes: sessions, models and token usage."""

from typing import Any

from flask import Flask, Response, current_app, request
from marshmallow import RAISE, Schema, fields

from ...schemas.fields import SentTimestamp
from ...schemas.json_schema import components
from ...schemas.registry import (
    BatchOutcome,
    BatchOutcomeSchema,
    FoundSessions,
    FoundSessionsSchema,
    KeyedUsageReportSchema,
    ModelList,
    ModelListSchema,
    ModelMetadata,
    ModelMetadataSchema,
    SessionInfo,
    SessionInfoSchema,
    SessionList,
    SessionListSchema,
    SessionRegistration,
    SessionRegistrationSchema,
    SessionStatus,
    StatusChange,
    StatusChangeSchema,
    StatusUpdate,
    StatusUpdateSchema,
    UsageReport,
    UsageReportSchema,
    UsageStats,
    UsageStatsSchema,
)
from ..database.storage import Storage
from ..web.app import make_web_app
from ..web.conflict import conflict
from ..web.idempotency import IdempotencyStore, LeftOut, capability, requested_key, respond_once
from ..web.openapi import ServiceInfo
from ..web.request_body import (
    JsonBlueprint,
    QueryNumber,
    read_ids,
    read_rows,
    rows_of,
    with_derived_ids,
    with_fields_as_sent,
)
from . import batches
from . import models as registry_models
from . import sessions as registry_sessions
from . import usage as registry_usage
from .config import RegistryServiceConfig
from .direct import RECORDED, direct_routes
from .listing import Filters
from .outcomes import Outcome
from .records import Base, IdempotentResponse
from .recounting import Recounting
from .retention import UsageRetention
from .usage import Counter, Sent

MAX_PAGE_SIZE = 1000
INFO = ServiceInfo("LLM-Registry", "Sessions, the models they used, and their token usage.", key_needed=False)
FILTERS = ("status", "started_before", "ended_before")
MAX_BATCH = 1000
CAPABILITIES: dict[str, Any] = {
    "reopen": {},
    "session_filters": FILTERS,
    "usage_batch": {"most": MAX_BATCH},
    "status_batch": {"most": MAX_BATCH},
    "session_batch": {"most": MAX_BATCH},
}
_SESSION_ID: dict[str, Any] = components(SessionInfoSchema)["SessionInfo"]["properties"]["session_id"]
routes = JsonBlueprint("registry", __name__, url_prefix="/api/v1", description=INFO.description)


class Paging(Schema):
    """The page that a listing is asked for."""

    class Meta:
        unknown = RAISE

    page = QueryNumber(load_default=1, metadata={"description": "The first is 1."})
    page_size = QueryNumber(
        load_default=50,
        metadata={"description": f"Items on a page; more than {MAX_PAGE_SIZE} counts as {MAX_PAGE_SIZE}."},
    )


class SessionFilters(Paging):
    """The sessions that a listing is asked for."""

    status = fields.Enum(
        SessionStatus,
        by_value=True,
        load_default=None,
        allow_none=False,
        metadata={"description": "Only sessions with this status."},
    )
    started_before = SentTimestamp(
        load_default=None, allow_none=False, metadata={"description": "Only sessions that started before this time."}
    )
    ended_before = SentTimestamp(
        load_default=None,
        allow_none=False,
        metadata={
            "description": "Only sessions that ended before this time; one without an end counts with its start."
        },
    )


class Reopening(Schema):
    """When a reopening was asked for."""

    class Meta:
        unknown = RAISE

    asked_at = SentTimestamp(
        load_default=None,
        allow_none=False,
        metadata={"description": "When this was asked for. What was asked for later, and came earlier, stands."},
    )


class Recorded(Schema):
    """The response to a usage report; callers may ignore it."""

    status = fields.Constant(RECORDED, metadata={"type": "string", "enum": [RECORDED]})


def prepare(config: RegistryServiceConfig) -> None:
    """Create the tables and record the models of the models file.

    Raises: ValueError if that file is wrong.
    """
    models = registry_models.read_models(config.models_file) if config.models_file else []
    storage = Storage(config.database_url, Base)
    storage.create()
    storage.write(lambda session: registry_models.load_models(session, models))
    storage.close()


def make_app(config: RegistryServiceConfig, threads: int) -> Flask:
    """The web application."""
    storage = Storage(config.database_url, Base, threads)
    able = capability(config.usage_keys_kept_days) | CAPABILITIES
    counter = Counter(storage, config.usage_keys_kept_days, config.now)
    direct = direct_routes(storage, counter)
    app, api = make_web_app(INFO, storage, config.keys, config.max_body_bytes, able, direct)
    idempotency = IdempotencyStore(storage, IdempotentResponse, config.now)
    app.extensions.update(idempotency=idempotency, counter=counter, storage=storage, config=config)
    retention = UsageRetention(storage, config.usage_reports_kept_days, config.now)
    app.extensions["purges"] = (idempotency.purge, counter.purge, retention.purge, Recounting(storage).run)
    api.register_blueprint(routes)
    return app


@routes.post("/sessions")
@routes.takes_body(with_derived_ids(SessionRegistrationSchema))
@routes.responds(201, SessionInfoSchema())
def register_session(registration: SessionRegistration) -> Response:
    """Register a session.

    Registering it again changes nothing, also with another `started_at`; with any other content it is a 409.
    """
    now = _config().now()
    return respond_once(
        201,
        SessionInfoSchema(),
        lambda session: registry_sessions.register(session, registration, now),
        LeftOut("metadata", lambda _: registration.metadata),  # a repeat has the same body
    )


@routes.get("/sessions")
@routes.takes_query(SessionFilters())
@routes.responds(200, SessionListSchema())
def list_sessions(query: dict[str, Any]) -> SessionList:
    """List sessions in the order of their registration."""
    filters = Filters(query["status"], query["started_before"], query["ended_before"])
    with _storage().read() as session:
        return registry_sessions.list_page(session, query["page"], _page_size(query), filters)


@routes.get("/sessions/<id:session_id>")
@routes.responds(200, SessionInfoSchema(), errors=(404,))
def get_session(session_id: str) -> SessionInfo:
    """Get a session."""
    with _storage().read() as session:
        return registry_sessions.read(session, session_id)


@routes.post("/sessions/read")
@routes.documents(requestBody=rows_of(_SESSION_ID, MAX_BATCH))
@routes.responds(200, FoundSessionsSchema())
def get_sessions() -> FoundSessions:
    """Get up to 1000 sessions by their ids; it changes nothing.

    Those that do not exist, or cannot be read, are left out.
    """
    wanted = read_ids(MAX_BATCH)
    with _storage().read() as session:
        return registry_sessions.read_many(session, wanted)


@routes.put("/sessions/<id:session_id>/status")
@routes.takes_body(StatusUpdateSchema())
@routes.responds(200, SessionInfoSchema(), errors=(404, 409))
def update_session_status(update: StatusUpdate, session_id: str) -> SessionInfo:
    """Move a session on: from active to completed or failed, and from there to archived.

    Its current status changes nothing; a status before it is a 409. So is an `if_ended_at` that is not the session's
    `ended_at`, and an `asked_at` before the session's latest end or reopening.
    """
    now = _config().now()
    found, refusal = _storage().write(lambda session: registry_sessions.change_status(session, session_id, update, now))
    if refusal:
        conflict(refusal)
    return found


@routes.put("/sessions/status")
@routes.documents(requestBody=rows_of(StatusChangeSchema, MAX_BATCH))
@routes.responds(200, BatchOutcomeSchema())
def update_session_statuses() -> BatchOutcome:
    """Move up to 1000 sessions on in one transaction.

    An entry fails alone: its `status` is what the message would have got by itself.
    """
    storage, now = _storage(), _config().now()

    def change(wanted: list[StatusChange]) -> list[Outcome]:
        return storage.write(lambda session: registry_sessions.change_statuses(session, wanted, now))

    return batches.each(read_rows(MAX_BATCH), batches.status_change, change)


@routes.post("/sessions/<id:session_id>/reopen")
@routes.takes_query(Reopening())
@routes.responds(200, SessionInfoSchema(), errors=(404,))
def reopen_session(query: dict[str, Any], session_id: str) -> Response:
    """Let a completed, failed or archived session go on: it is active again and has no end.

    Changes nothing on an active session, on a repeat, and if the session has ended again since `asked_at`.
    """
    now = _config().now()
    return respond_once(
        200,
        SessionInfoSchema(),
        lambda session: registry_sessions.reopen(session, session_id, query["asked_at"], now),
        LeftOut("metadata", lambda session: registry_sessions.metadata_of(session, session_id)),
    )


@routes.delete("/sessions/<id:session_id>")
@routes.responds(204)
def delete_session(session_id: str) -> None:
    """Delete a session, its metadata and that of its usage reports; 204 also if it does not exist.

    The numbers of its usage reports stay in the sums of their models.
    """
    _storage().write(lambda session: registry_sessions.delete(session, session_id))


@routes.get("/models")
@routes.takes_query(Paging())
@routes.responds(200, ModelListSchema())
def list_models(query: dict[str, Any]) -> ModelList:
    """List models."""
    with _storage().read() as session:
        return registry_models.list_page(session, query["page"], _page_size(query))


@routes.get("/models/<id:model_id>")
@routes.responds(200, ModelMetadataSchema(), errors=(404,))
def get_model_metadata(model_id: str) -> ModelMetadata:
    """Get a model."""
    with _storage().read() as session:
        return registry_models.get(session, model_id)


@routes.post("/usage")
@routes.takes_body(with_fields_as_sent(UsageReportSchema))
@routes.responds(201, Recorded(), errors=(404,))
def track_usage(sent: tuple[UsageReport, Any]) -> dict[str, Any]:
    """Add a usage report to its session and its model.

    `total_tokens` is at least the sum of the other two, or left out. `metadata.tokens` may count `cached_tokens`,
    `cache_write_tokens`, `reasoning_tokens`, `tool_tokens` and `audio_tokens`; `custom_metrics` of the usage of a
    session or model has their sums. More than 10**12 of anything is a 422.

    A report is kept for `USAGE_REPORTS_KEPT_DAYS` and its key for `USAGE_KEYS_KEPT_DAYS`, both for ever by default; the
    sums stay. A report without a key that comes twice within an hour, byte for byte and with a fraction of a second in
    its `timestamp`, counts once.
    """
    report, fields = sent
    _counter().track_one(Sent(report, fields, requested_key(), request.get_data()))
    return {}


@routes.post("/usage/batch")
@routes.documents(requestBody=rows_of(KeyedUsageReportSchema, MAX_BATCH, "idempotency_key"))
@routes.responds(200, BatchOutcomeSchema())
def track_usage_batch() -> BatchOutcome:
    """Add up to 1000 usage reports in one transaction, each under its own `idempotency_key`.

    An entry fails alone: its `status` is what the report would have got by itself. A known key with the same fields
    changes nothing and is accepted; with others it fails with a 409.
    """
    return batches.each(read_rows(MAX_BATCH), batches.keyed_usage, _counter().track)


@routes.get("/sessions/<id:session_id>/usage")
@routes.responds(200, UsageStatsSchema(), errors=(404,))
def get_session_usage(session_id: str) -> UsageStats:
    """Get the token usage of a session: of all its reports, also of those that are no longer kept."""
    return _storage().read_at_once(lambda run: registry_usage.of_session(run, session_id))


@routes.get("/models/<id:model_id>/usage")
@routes.responds(200, UsageStatsSchema(), errors=(404,))
def get_model_usage(model_id: str) -> UsageStats:
    """Get the token usage of a model: of all its reports, also of those that are no longer kept."""
    return _storage().read_at_once(lambda run: registry_usage.of_model(run, model_id))


def _counter() -> Counter:
    return current_app.extensions["counter"]


def _storage() -> Storage:
    return current_app.extensions["storage"]


def _config() -> RegistryServiceConfig:
    return current_app.extensions["config"]


def _page_size(query: dict[str, Any]) -> int:
    return min(query["page_size"], MAX_PAGE_SIZE)
