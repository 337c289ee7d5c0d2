"""LLM-Registry: sessions, models, token usage."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from ..schemas.base import Request
from ..schemas.fields import format_timestamp
from ..schemas.registry import (
    KeyedUsageReport,
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
    StatusUpdate,
    StatusUpdateSchema,
    UsageReport,
    UsageReportSchema,
    UsageStats,
    UsageStatsSchema,
)
from .base import Call, ServiceClient
from .config import IDLE_CONNECTIONS, RegistryConfig, RetryPolicy
from .paging import say_unreadable, walk

if TYPE_CHECKING:
    from .breaker import Breaker

REGISTRATION = SessionRegistrationSchema()
SESSION = SessionInfoSchema()
SESSIONS = SessionListSchema()
STATUS = StatusUpdateSchema()
MODEL = ModelMetadataSchema()
MODELS = ModelListSchema()
USAGE = UsageReportSchema()
KEYED_USAGE = cast(Request[KeyedUsageReport], KeyedUsageReportSchema())
STATS = UsageStatsSchema()


class RegistryClient(ServiceClient):
    """Calls of LLM-Registry, as in docs/contract/wire.md, LLM-Registry."""

    service: ClassVar[str] = "registry"
    key_variable: ClassVar[str] = "REGISTRY_API_KEY"

    def __init__(
        self,
        config: RegistryConfig,
        *,
        retry_policy: RetryPolicy | None = None,
        breaker: "Breaker | None" = None,
        idle_connections: int = IDLE_CONNECTIONS,
    ) -> None:
        policy = retry_policy or RetryPolicy(max_attempts=config.retry_count, initial_delay_secs=0.1)
        super().__init__(config, policy, breaker, idle_connections)
        self.config = config

    def health_check(self) -> bool:
        """Ask whether the registry is up (GET /health, without a key, at most 5 s).

        Raises: a TransientError if it is not.
        """
        return self._is_healthy()

    def register_session(self, registration: SessionRegistration, *, idempotency_key: str | None = None) -> SessionInfo:
        """Register a session (POST /api/v1/sessions). A repeat with the same content changes nothing.

        The reference Registry takes another `started_at` for the same content; the first start stands.
        Raises: Refused with status 409 if the id is registered with other content.
        """
        return self._call(
            Call(
                "register_session",
                "POST",
                "/api/v1/sessions",
                body=REGISTRATION.write(registration),
                schema=REGISTRATION,
                idempotency_key=idempotency_key,
                expects={"session_id": registration.session_id},
            ),
            SESSION,
        )

    def list_sessions(
        self,
        page: int | None = None,
        page_size: int | None = None,
        status: SessionStatus | None = None,
        started_before: datetime | None = None,
    ) -> SessionList:
        """Return one page of the sessions (GET /api/v1/sessions); without `page` the first, whatever its number.

        `status` and `started_before` are hints: a registry that does not know them lists every session.
        """
        query = {
            "page": page,
            "page_size": page_size,
            "status": status and str(status),
            "started_before": started_before and format_timestamp(started_before),
        }
        found = self._call(Call("list_sessions", "GET", "/api/v1/sessions", query=query), SESSIONS)
        say_unreadable("sessions", found.sessions)
        return found

    def iter_sessions(self, page_size: int | None = None) -> Iterator[SessionInfo]:
        """Yield every readable session, page by page.

        Raises: SerializationError if no row of a page can be read, or the pages go in a circle.
        """
        return walk(
            lambda page: self.list_sessions(page, page_size), lambda found: found.sessions, _session_id, page_size
        )

    def get_session(self, session_id: str) -> SessionInfo:
        """Return one session (GET /api/v1/sessions/{id}).

        Raises: Refused with status 404 if there is none.
        """
        ids = {"session_id": session_id}
        call = Call("get_session", "GET", "/api/v1/sessions/{session_id}", ids=ids, expects=ids)
        return self._call(call, SESSION)

    def update_session_status(self, session_id: str, status: SessionStatus) -> SessionInfo:
        """Set a session's status (PUT /api/v1/sessions/{id}/status). A repeat changes nothing.

        Raises: Refused with status 409 if the life cycle does not allow it (archived → completed).
        """
        route = "/api/v1/sessions/{session_id}/status"
        ids, body = {"session_id": session_id}, STATUS.write(StatusUpdate(status))
        call = Call("update_session_status", "PUT", route, ids=ids, body=body, schema=STATUS, expects=ids)
        return self._call(call, SESSION)

    def delete_session(self, session_id: str) -> None:
        """Delete a session (DELETE /api/v1/sessions/{id}); if it is already gone, that counts as deleted."""
        route = "/api/v1/sessions/{session_id}"
        self._delete(Call("delete_session", "DELETE", route, ids={"session_id": session_id}))

    def list_models(self, page: int | None = None, page_size: int | None = None) -> ModelList:
        """Return one page of the models (GET /api/v1/models); without `page` the first, whatever its number."""
        query = {"page": page, "page_size": page_size}
        found = self._call(Call("list_models", "GET", "/api/v1/models", query=query), MODELS)
        say_unreadable("models", found.models)
        return found

    def iter_models(self, page_size: int | None = None) -> Iterator[ModelMetadata]:
        """Yield every readable model, page by page; raises as `iter_sessions` does."""
        return walk(lambda page: self.list_models(page, page_size), lambda found: found.models, _model_id, page_size)

    def get_model_metadata(self, model_id: str) -> ModelMetadata:
        """Return one model (GET /api/v1/models/{id}).

        Raises: Refused with status 404 if there is none.
        """
        ids = {"model_id": model_id}
        call = Call("get_model_metadata", "GET", "/api/v1/models/{model_id}", ids=ids, expects=ids)
        return self._call(call, MODEL)

    def track_usage(self, report: UsageReport, *, idempotency_key: str | None = None) -> None:
        """Add a usage report (POST /api/v1/usage).

        If the Registry deduplicates by key, a repeat under the same key counts once. If it does not
        (`honours_idempotency=False`), a report that got no response is not retried.
        Raises: UncertainOutcome in that case: check the session's usage before you send it again.
        """
        self._call(
            Call(
                "track_usage",
                "POST",
                "/api/v1/usage",
                body=USAGE.write(report),
                schema=USAGE,
                idempotency_key=idempotency_key,
                repeatable=self.config.honours_idempotency,
            )
        )

    def get_session_usage(self, session_id: str) -> UsageStats:
        """Return the usage of a session so far (GET /api/v1/sessions/{id}/usage)."""
        route = "/api/v1/sessions/{session_id}/usage"
        ids, expects = {"session_id": session_id}, {"id": session_id}
        return self._call(Call("get_session_usage", "GET", route, ids=ids, expects=expects), STATS)

    def get_model_usage(self, model_id: str) -> UsageStats:
        """Return the usage of all sessions of a model so far (GET /api/v1/models/{id}/usage)."""
        route = "/api/v1/models/{model_id}/usage"
        ids, expects = {"model_id": model_id}, {"id": model_id}
        return self._call(Call("get_model_usage", "GET", route, ids=ids, expects=expects), STATS)


def _session_id(session: SessionInfo) -> str:
    return session.session_id


def _model_id(model: ModelMetadata) -> str:
    return model.model_id
