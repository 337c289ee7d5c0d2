"""The base of the HTTP clients: each call gets a deadline, a circuit breaker, retries, and a typed result or error."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar, overload

from ..schemas.base import Payload
from ..schemas.ids import random_id, time_ordered_id
from ..tracing.context import trace_headers
from ..tracing.spans import describe, span
from .call import Call, encode, header_key, located
from .capabilities import MOST_BYTES, Capabilities, says_not_here
from .config import RegistryConfig, RetryPolicy, VaultConfig
from .errors import ConnectionError, IntegrationError, Refused, TransientError, UncertainOutcome
from .request_log import log_request
from .responses import confirmed, load, refuse, request_id_of
from .retry import with_retries

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from urllib3 import BaseHTTPResponse

    from .breaker import Breaker

R = TypeVar("R")
T = TypeVar("T")

HEALTH_CHECK = "health_check"
HEALTH_TIMEOUT_SECS = 5.0

logger = logging.getLogger(__name__)


class _MayCountTwice(Exception):
    """A call was not repeated, and is an UncertainOutcome to its caller; the breaker must take it for no outage."""

    service: ClassVar[str | None] = None  # as an error of a client has it: it is no bug of ours either


class Exchanges(Protocol):
    """What a client sends its requests with; `clients.http.Transport` sends them over connections."""

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_secs: float,
        most_bytes: int | None = None,
    ) -> "tuple[BaseHTTPResponse, bytes]":
        """Send a request and return its response with the whole body."""
        ...

    def close(self) -> None:
        """Close the idle connections."""
        ...


class Closing:
    """A client that closes its connections at the end of a `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""


class ServiceClient(Closing):
    """Calls of one HTTP service over pooled connections; thread-safe, and a context manager.

    Without Celery it retries by `retry_policy`, and has a circuit breaker of its own.
    """

    service: ClassVar[str]
    key_variable: ClassVar[str]

    def __init__(
        self,
        config: RegistryConfig | VaultConfig,
        retry_policy: RetryPolicy,
        breaker: "Breaker | None",
        idle_connections: int,
        transport: Exchanges | None = None,
    ) -> None:
        # Imported here because a producer calls no service and should not load them.
        from .breaker import Breaker
        from .http import USER_AGENT, Transport

        self._settings = config
        self._retry = retry_policy
        self._breaker = breaker or Breaker(self.service)
        self._transport: Exchanges = transport or Transport(
            config.base_url,
            {"User-Agent": USER_AGENT, "Accept": "application/json"},
            idle_connections=idle_connections,
        )
        self.capabilities = Capabilities(self._read_health, lambda: self._breaker.closing)

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _is_healthy(self) -> bool:
        self._call(Call(HEALTH_CHECK, "GET", "/health", authenticated=False, timeout_secs=HEALTH_TIMEOUT_SECS))
        return True

    @overload
    def _call(self, call: Call, returns: Payload[R]) -> R: ...
    @overload
    def _call(self, call: Call, returns: None = None) -> None: ...
    def _call(self, call: Call, returns: Payload[R] | None = None) -> R | None:
        """Send a call, retry it if that may help, and return its result."""
        key = header_key(call.idempotency_key or time_ordered_id())
        longest_wait_secs = self._settings.timeout_secs
        try:
            attempt = partial(self._guarded, call, key, returns)
            return with_retries(self._retry, longest_wait_secs, attempt, lambda: call.repeatable)
        except _MayCountTwice as error:
            raise UncertainOutcome(str(error), self.service, call.operation, keys_believed=True) from error
        except TransientError as error:
            if call.repeatable or not error.maybe_done:
                raise
            told = "sent, but no response came; check whether it happened before you send it again"
            raise UncertainOutcome(told, *error.args[1:]) from error

    def _delete(self, call: Call) -> None:
        """Send a delete; a 404 counts as deleted."""
        try:
            self._call(call)
        except Refused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _guarded(self, call: Call, key: str, returns: Payload[R] | None) -> R | None:
        try:
            return self._breaker.call(
                lambda: self._attempt(call, key, returns),
                call.operation,
                call.identity,
                is_health_check=call.operation == HEALTH_CHECK,
            )
        except TransientError as error:
            call.repeat_needs_keys = call.repeat_needs_keys or error.repeat_needs_keys
            raise

    def _attempt(self, call: Call, key: str, returns: Payload[R] | None) -> R | None:
        """Send a call once, in its extended form if the service knows that; both forms have one deadline together."""
        end = time.monotonic() + self._timeout_secs(call)
        if call.needs_deduplication:
            call.repeatable = True  # nothing is sent before this is known
            call.repeatable = self.deduplicates(end - time.monotonic())
            if call.repeat_needs_keys and not call.repeatable:
                told = "an earlier attempt may have done it, and the service does not say that it deduplicates by key"
                todo = "nothing was sent now; check whether it happened before you send it again"
                raise _MayCountTwice(f"{told}; {todo}")
            call.keys_kept_days = self.keys_kept_days(end - time.monotonic())
        extended = self._extended(call, end)
        if extended is None or call.extension is None:
            return self._sent_once(call, key, end, returns)
        try:
            extended_key = header_key(extended.idempotency_key) if extended.idempotency_key else key
            done = self._exchange(extended, extended_key, end, partial(_result, extended, returns))
            if call.extension.was_done(done):
                return done
        except IntegrationError as error:
            if not says_not_here(error, new_route=extended.route != call.route):
                raise
        self.capabilities.forget(call.extension.capability)
        return self._exchange(call, key, end, partial(_result, call, returns))

    def _sent_once(self, call: Call, key: str, end: float, returns: Payload[R] | None) -> R | None:
        """Send a call in its only form.

        Raises: Refused, and never a TransientError, if the service does not have the capability that it requires.
        """
        try:
            return self._exchange(call, key, end, partial(_result, call, returns))
        except IntegrationError as error:
            needed = call.requirement
            if needed is None or not says_not_here(error, new_route=True):
                raise
            may_know = self.capabilities.may_have(needed.capability, end - time.monotonic())
            if may_know and error.status == HTTPStatus.NOT_FOUND:
                raise
            told = f"the service cannot do this: its /health names no `{needed.capability}`; {needed.instead}"
            raise Refused(told, *error.args[1:]) from error

    def _extended(self, call: Call, end: float) -> Call | None:
        extension = call.extension
        if extension is None:
            return None
        facts = self.capabilities.facts(extension.capability, end - time.monotonic())
        guards = extension.guards and self.capabilities.may_have(extension.capability, end - time.monotonic())
        return extension.form(facts) if guards or facts is not None else None

    def deduplicates(self, timeout_secs: float = HEALTH_TIMEOUT_SECS) -> bool:
        """Return whether the service is believed to deduplicate by key.

        Raises: a TransientError if nobody can say; nothing was sent then.
        """
        return True

    def keys_kept_days(self, timeout_secs: float = HEALTH_TIMEOUT_SECS) -> int | None:
        """Return for how many days the service says that it knows a key; None if for ever, or if it was not asked."""
        return None

    def _read_health(self, timeout_secs: float) -> bytes:
        """Return the body of /health, for the service's capabilities; half of the time is left for the call itself."""
        call = Call(HEALTH_CHECK, "GET", "/health", authenticated=False, timeout_secs=HEALTH_TIMEOUT_SECS)
        end = time.monotonic() + timeout_secs / 2
        # In a context of its own: the latest request stays the one that the caller asked for.
        return copy_context().run(self._exchange, call, "", end, lambda _, body: body, MOST_BYTES)

    def _exchange(
        self,
        call: Call,
        key: str,
        end: float,
        read: "Callable[[BaseHTTPResponse, bytes], T]",
        most_bytes: int | None = None,
    ) -> T:
        facts = {"peer.service": self.service, "http.request.method": call.method, "url.template": call.route}
        with span(f"{call.method} {call.route}", "CLIENT", facts, is_current=False) as recorded:
            return self._exchange_in(recorded, call, key, end, read, most_bytes)

    def _exchange_in(
        self,
        recorded: "Span | None",
        call: Call,
        key: str,
        end: float,
        read: "Callable[[BaseHTTPResponse, bytes], T]",
        most_bytes: int | None,
    ) -> T:
        request_id = random_id()
        started = time.monotonic()
        status: int | None = None
        try:
            sent = None if call.body is None else encode(call.body)
            headers = {**self._headers(call, key, request_id), **trace_headers(recorded)}
            timeout_secs = self._left_secs(call, end)
            response, body = self._transport.exchange(call.method, call.path, headers, sent, timeout_secs, most_bytes)
            status, request_id = response.status, request_id_of(response) or request_id
            refuse(response, body, self.key_variable, call.schema)
            return read(response, body)
        except IntegrationError as error:
            raise located(error, call, self.service, status, request_id) from error.__cause__
        finally:
            describe(recorded, {"http.response.status_code": status, "request_id": request_id})
            log_request(
                logger if self._settings.enable_logging else None,
                request_id,
                service=self.service,
                method=call.method,
                route=call.route,
                status=status,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )

    def _timeout_secs(self, call: Call) -> float:
        return min(call.timeout_secs or self._settings.timeout_secs, self._settings.timeout_secs)

    def _left_secs(self, call: Call, end: float) -> float:
        left_secs = min(self._timeout_secs(call), end - time.monotonic())
        if left_secs <= 0:
            raise ConnectionError("the deadline passed before the request was sent")
        return left_secs

    def _headers(self, call: Call, key: str, request_id: str) -> dict[str, str]:
        headers = {"X-Request-ID": request_id, **call.headers}
        if call.authenticated and self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        if call.method == "POST":
            headers["Idempotency-Key"] = key
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return headers


def _result(call: Call, returns: Payload[R] | None, response: "BaseHTTPResponse", body: bytes) -> R | None:
    return confirmed(load(response, body, returns), call.expects) if returns else None
