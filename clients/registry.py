"""LLM-Registry: sessions, models, token usage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast

from ..schemas.base import Request
from ..schemas.fields import AskedAt, format_timestamp
from ..schemas.registry import (
    BatchOutcomeSchema,
    FoundSessionsSchema,
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
    StatusChange,
    StatusChangeSchema,
    StatusUpdate,
    StatusUpdateSchema,
    UsageReport,
    UsageReportSchema,
    UsageStats,
    UsageStatsSchema,
)
from .base import HEALTH_TIMEOUT_SECS, Exchanges, ServiceClient
from .batch_outcome import Errors, errors_of, most_of
from .call import Call, Extension, Requirement, located
from .capabilities import says_not_here
from .config import AUTO, IDLE_CONNECTIONS, RegistryConfig, RetryPolicy
from .errors import IntegrationError, Refused, SerializationError, ServiceUnavailable
from .paging import say_unreadable, walk

if TYPE_CHECKING:
    from .breaker import Breaker

T = TypeVar("T")

REGISTRATION = SessionRegistrationSchema()
SESSION = SessionInfoSchema()
SESSIONS = SessionListSchema()
STATUS = StatusUpdateSchema()
STATUS_CHANGE = StatusChangeSchema()
MODEL = ModelMetadataSchema()
MODELS = ModelListSchema()
USAGE = UsageReportSchema()
KEYED_USAGE = cast(Request[KeyedUsageReport], KeyedUsageReportSchema())
STATS = UsageStatsSchema()
BATCH = BatchOutcomeSchema()
FOUND_SESSIONS = FoundSessionsSchema()


REOPEN = Requirement("reopen", "the session stays as it is: register what follows as a session of its own")


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
        transport: Exchanges | None = None,
    ) -> None:
        policy = retry_policy or RetryPolicy(max_attempts=config.retry_count, initial_delay_secs=0.1)
        super().__init__(config, policy, breaker, idle_connections, transport)
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
        ended_before: datetime | None = None,
    ) -> SessionList:
        """Return one page of the sessions (GET /api/v1/sessions); without `page` the first, whatever its number.

        The other parameters are hints: a registry that does not know them lists every session. `ended_before` is sent
        only to one that names it among its `session_filters`; there a session without an end counts with its start.
        """
        query = {
            "page": page,
            "page_size": page_size,
            "status": status and str(status),
            "started_before": started_before and format_timestamp(started_before),
        }
        call = Call("list_sessions", "GET", "/api/v1/sessions", query=query)
        if ended_before is not None:
            call.extension = _filter(call, "ended_before", format_timestamp(ended_before))
        found = self._call(call, SESSIONS)
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

    def get_sessions(self, session_ids: Sequence[str]) -> dict[str, SessionInfo]:
        """Return those of some sessions that one request finds (POST /api/v1/sessions/read), by their ids.

        One that is not returned may exist all the same: read it alone. None is returned if this Registry takes no
        request like this one.
        Raises: an IntegrationError for the request as a whole.
        """
        facts = self.capabilities.facts("session_batch", HEALTH_TIMEOUT_SECS)
        if not 1 <= len(session_ids) <= most_of(facts):
            return {}
        route, subject = "/api/v1/sessions/read", session_ids[0]
        call = Call("get_sessions", "POST", route, body=list(session_ids), subject=subject)
        found = self._together("session_batch", lambda: self._call(call, FOUND_SESSIONS).sessions) or []
        asked = frozenset(session_ids)
        return {session.session_id: session for session in found if session.session_id in asked}

    def update_session_status(
        self,
        session_id: str,
        status: SessionStatus,
        if_ended_at: datetime | None = None,
        asked_at: Annotated[datetime | None, AskedAt] = None,
    ) -> SessionInfo:
        """Set a session's status (PUT /api/v1/sessions/{id}/status). A repeat changes nothing.

        It changes nothing either if the session's end is not `if_ended_at`, or if the session ended or was reopened
        after `asked_at`. A registry that certainly has no capability `reopen` is not told these two.
        Raises: Refused with status 409 in that case, and if the life cycle does not allow it (archived → completed).
        """
        route = "/api/v1/sessions/{session_id}/status"
        ids, update = {"session_id": session_id}, StatusUpdate(status, if_ended_at, asked_at)
        body = STATUS.write(StatusUpdate(status))
        call = Call("update_session_status", "PUT", route, ids=ids, body=body, schema=STATUS, expects=ids)
        if if_ended_at or asked_at:
            told = replace(call, body=STATUS.write(update))
            call.extension = Extension("reopen", lambda facts: told, guards=True)
        return self._call(call, SESSION)

    def reopen_session(
        self,
        session_id: str,
        asked_at: Annotated[datetime | None, AskedAt] = None,
        *,
        idempotency_key: str | None = None,
    ) -> SessionInfo:
        """Let an ended session go on: active, without an end (POST /api/v1/sessions/{id}/reopen).

        It changes nothing on an active session, repeated under its key, or if the session ended again after `asked_at`.
        Raises: Refused with status 404 if there is no such session, and with 404, 405, 406 or 501 if the registry
        cannot reopen; the message says which.
        """
        ids, query = {"session_id": session_id}, {"asked_at": asked_at and format_timestamp(asked_at)}
        call = Call(
            "reopen_session",
            "POST",
            "/api/v1/sessions/{session_id}/reopen",
            ids=ids,
            query=query,
            idempotency_key=idempotency_key,
            expects=ids,
            requirement=REOPEN,
        )
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
        (`honours_idempotency`; `auto` asks its /health first), a report that got no response is not retried.
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
                needs_deduplication=True,
            )
        )

    def track_usage_batch(self, reports: Sequence[KeyedUsageReport]) -> Errors | None:
        """Add usage reports in one request (POST /api/v1/usage/batch), each under its own key.

        Returns what each got: None if it is counted, else the error that it would have got alone. Returns None for all,
        and none is to be taken for counted, if this Registry takes no batch like this one: send them one by one.
        Raises: an IntegrationError for the request as a whole; none of its reports may be counted then, or all.
        """
        facts = self.capabilities.facts("usage_batch", HEALTH_TIMEOUT_SECS)
        if not 1 <= len(reports) <= most_of(facts) or not self.deduplicates():
            return None
        body = [KEYED_USAGE.write(report) for report in reports]
        call = Call(
            "track_usage_batch",
            "POST",
            "/api/v1/usage/batch",
            body=body,
            schema=KEYED_USAGE,
            subject=reports[0].idempotency_key,
            needs_deduplication=True,
        )
        return self._batch(call, "usage_batch", len(reports))

    def update_session_statuses(self, changes: Sequence[StatusChange]) -> Errors | None:
        """Set the status of many sessions in one request (PUT /api/v1/sessions/status), as `update_session_status`.

        Returns what each got: None if it is set, else the error that it would have got alone. Returns None for all, and
        none is to be taken for set, if this Registry takes no batch like this one: set them one by one.
        Raises: an IntegrationError for the request as a whole; none of the statuses may be set then, or all.
        """
        facts = self.capabilities.facts("status_batch", HEALTH_TIMEOUT_SECS)
        if not 1 <= len(changes) <= most_of(facts):
            return None
        body, route = [STATUS_CHANGE.write(change) for change in changes], "/api/v1/sessions/status"
        call = Call("update_session_statuses", "PUT", route, body=body, schema=STATUS_CHANGE)
        call.subject = changes[0].session_id
        return self._batch(call, "status_batch", len(changes))

    def _batch(self, call: Call, capability: str, count: int) -> Errors | None:
        """Send a batch that only a service with the capability takes; None if it does not take this one after all."""

        def locate(error: IntegrationError, status: int) -> IntegrationError:
            return located(error, call, self.service, status, None)

        return self._together(capability, lambda: errors_of(self._call(call, BATCH), count, self.key_variable, locate))

    def _together(self, capability: str, send: Callable[[], T]) -> T | None:
        """Send what only a service with the capability takes; None if each of its entries is to be sent alone."""
        try:
            return send()
        except SerializationError:
            self.capabilities.forget(capability)
        except (Refused, ServiceUnavailable) as error:
            if says_not_here(error, new_route=True):
                self.capabilities.forget(capability)
            elif isinstance(error, ServiceUnavailable) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        return None  # a 500 may be the fault of one entry, and the others are fine

    def known_days(self, timeout_secs: float = HEALTH_TIMEOUT_SECS) -> float | None:
        """Return for how many days the Registry says that it knows keys (infinity: for ever); None if it says nothing.

        Raises: a TransientError if /health got no response.
        """
        facts = self.capabilities.certain_facts("idempotency", timeout_secs)
        days = facts.get("kept_days", 0) if isinstance(facts, dict) else 0
        if days is None:
            return inf
        return days if type(days) is int and days > 0 else None

    def deduplicates(self, timeout_secs: float = HEALTH_TIMEOUT_SECS) -> bool:
        """Return whether the Registry deduplicates usage reports by key, by the setting or as its /health says.

        Raises: a TransientError if the setting is `auto` and /health got no response.
        """
        setting = self.config.honours_idempotency
        return self.known_days(timeout_secs) is not None if setting == AUTO else bool(setting)

    def keys_kept_days(self, timeout_secs: float = HEALTH_TIMEOUT_SECS) -> int | None:
        """Return for how many days the Registry says that it knows a key; None if for ever, or if it was not asked.

        It is asked where the setting is `auto`.
        Raises: a TransientError if its /health got no response.
        """
        days = self.known_days(timeout_secs) if self.config.honours_idempotency == AUTO else None
        return None if days is None or days == inf else int(days)

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


def _filter(call: Call, name: str, value: str) -> Extension:
    """Return the form of a listing with one more filter, for a registry that knows it."""

    def form(facts: Any) -> Call | None:
        if not isinstance(facts, list) or name not in facts:
            return None
        return replace(call, query={**call.query, name: value}, extension=None)

    return Extension("session_filters", form)


def _session_id(session: SessionInfo) -> str:
    return session.session_id


def _model_id(model: ModelMetadata) -> str:
    return model.model_id
