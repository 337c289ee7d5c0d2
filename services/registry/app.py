"""A Registry: sessions, models and token usage over HTTP."""

from typing import Any

from flask import Flask, Response, current_app
from marshmallow import RAISE, Schema, fields

from ...schemas.fields import Timestamp
from ...schemas.registry import (
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
    StatusUpdate,
    StatusUpdateSchema,
    UsageReport,
    UsageReportSchema,
    UsageStats,
    UsageStatsSchema,
)
from ..database.storage import Storage
from ..web.app import make_web_app
from ..web.idempotency import Once, once
from ..web.openapi import About
from ..web.request_body import JsonBlueprint, Number, received
from . import models as registry_models
from . import sessions as registry_sessions
from . import usage as registry_usage
from .config import RegistryServiceConfig
from .records import Answer, Base

LARGEST_PAGE = 1000
ABOUT = About("LLM-Registry", "Sessions, the models they talked to, and the tokens they used.", key_needed=False)
routes = JsonBlueprint("registry", __name__, url_prefix="/api/v1", description=ABOUT.description)


class Paging(Schema):
    """Which page is asked for; the first is 1."""

    class Meta:
        unknown = RAISE

    page = Number(load_default=1, metadata={"description": "The first is 1."})
    page_size = Number(
        load_default=50, metadata={"description": f"How many; over {LARGEST_PAGE} counts as {LARGEST_PAGE}."}
    )


class SessionFilters(Paging):
    """Which sessions are asked for."""

    status = fields.Enum(
        SessionStatus,
        by_value=True,
        load_default=None,
        allow_none=False,
        metadata={"description": "Those in this status alone."},
    )
    started_before = Timestamp(
        load_default=None, allow_none=False, metadata={"description": "Those that started before this moment."}
    )


class Recorded(Schema):
    """The answer to a usage report, which nobody needs to read."""

    status = fields.Constant("recorded", metadata={"type": "string", "enum": ["recorded"]})


def prepare(config: RegistryServiceConfig) -> None:
    """Make the tables and record the models of the models file.

    Raises: ValueError where that file is wrong.
    """
    models = registry_models.read_models(config.models_file) if config.models_file else []
    storage = Storage(config.database_url, Base)
    storage.create()
    storage.write(lambda session: registry_models.load_models(session, models))
    storage.close()


def make_app(config: RegistryServiceConfig, threads: int) -> Flask:
    """The web application."""
    storage = Storage(config.database_url, Base, threads)
    app, api = make_web_app(ABOUT, storage, config.keys, config.max_body_bytes)
    app.extensions.update(once=Once(storage, Answer, config.now), storage=storage, config=config)
    api.register_blueprint(routes)
    return app


@routes.post("/sessions")
@routes.accepts(received(SessionRegistrationSchema))
@routes.answers(201, SessionInfoSchema())
def register_session(registration: SessionRegistration) -> Response:
    """Register a session."""
    now = _config().now()
    return once(201, SessionInfoSchema(), lambda session: registry_sessions.register(session, registration, now))


@routes.get("/sessions")
@routes.asks(SessionFilters())
@routes.answers(200, SessionListSchema())
def list_sessions(asked: dict[str, Any]) -> SessionList:
    """List sessions in the order of their registration."""
    with _storage().read() as session:
        return registry_sessions.listed(
            session, asked["page"], _bounded(asked), asked["status"], asked["started_before"]
        )


@routes.get("/sessions/<id:session_id>")
@routes.answers(200, SessionInfoSchema(), errors=(404,))
def get_session(session_id: str) -> SessionInfo:
    """Show a session."""
    with _storage().read() as session:
        return registry_sessions.info(session, registry_sessions.found(session, session_id))


@routes.put("/sessions/<id:session_id>/status")
@routes.accepts(StatusUpdateSchema())
@routes.answers(200, SessionInfoSchema(), errors=(404, 409))
def update_session_status(update: StatusUpdate, session_id: str) -> SessionInfo:
    """Move a session on: active, completed or failed, archived.

    The status it has already changes nothing; a way back is a 409.
    """
    now = _config().now()
    return _storage().write(lambda session: registry_sessions.change_status(session, session_id, update.status, now))


@routes.delete("/sessions/<id:session_id>")
@routes.answers(204)
def delete_session(session_id: str) -> None:
    """Delete a session; 204 also where it is gone already."""
    _storage().write(lambda session: registry_sessions.remove(session, session_id))


@routes.get("/models")
@routes.asks(Paging())
@routes.answers(200, ModelListSchema())
def list_models(asked: dict[str, Any]) -> ModelList:
    """List models."""
    with _storage().read() as session:
        return registry_models.listed(session, asked["page"], _bounded(asked))


@routes.get("/models/<id:model_id>")
@routes.answers(200, ModelMetadataSchema(), errors=(404,))
def get_model_metadata(model_id: str) -> ModelMetadata:
    """Show a model."""
    with _storage().read() as session:
        return registry_models.found(session, model_id)


@routes.post("/usage")
@routes.accepts(received(UsageReportSchema))
@routes.answers(201, Recorded(), errors=(404,))
def track_usage(report: UsageReport) -> Response:
    """Add a usage report to its session and its model.

    `total_tokens` is the sum of the other two, or left out; over 10**12 it is a 422.
    """
    now = _config().now()
    return once(201, Recorded(), lambda session: registry_usage.track(session, report, now))


@routes.get("/sessions/<id:session_id>/usage")
@routes.answers(200, UsageStatsSchema(), errors=(404,))
def get_session_usage(session_id: str) -> UsageStats:
    """Sum up what a session used."""
    with _storage().read() as session:
        return registry_usage.of_session(session, session_id)


@routes.get("/models/<id:model_id>/usage")
@routes.answers(200, UsageStatsSchema(), errors=(404,))
def get_model_usage(model_id: str) -> UsageStats:
    """Sum up what a model was used."""
    with _storage().read() as session:
        return registry_usage.of_model(session, model_id)


def _storage() -> Storage:
    return current_app.extensions["storage"]


def _config() -> RegistryServiceConfig:
    return current_app.extensions["config"]


def _bounded(asked: dict[str, Any]) -> int:
    return min(asked["page_size"], LARGEST_PAGE)
