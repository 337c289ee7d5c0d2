"""What every client does with a call: deadline, breaker, retry, status to error, loading on the way in."""

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload
from urllib.parse import quote, urlencode
from uuid import uuid4

import marshmallow
import orjson

from ..schemas.base import Payload, ValidationError, derived_id
from ..schemas.fields import Id
from ..schemas.ids import random_id
from .config import RegistryConfig, RetryPolicy, VaultConfig
from .errors import IntegrationError, Refused, TransientError, UncertainOutcome
from .responses import load, refuse, request_id_of
from .retry import again

if TYPE_CHECKING:
    from .breaker import Breaker

R = TypeVar("R")
T = TypeVar("T")

HEALTH_TIMEOUT_SECS = 5.0
_ID = Id()

logger = logging.getLogger(__name__)


@dataclass
class Call:
    """One request: `ids` fill the route's braces, `body` is JSON of `schema`.

    What is not `repeatable` is never sent again where the service may have done it.
    """

    operation: str
    method: str
    route: str
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, int | str | None] = field(default_factory=dict[str, "int | str | None"])
    body: Any = None
    schema: Payload[Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str | None = None
    authenticated: bool = True
    timeout_secs: float | None = None
    repeatable: bool = True
    path: str = field(init=False)

    def __post_init__(self) -> None:
        """Make the path: the route with the ids in it, percent-encoded, and the query.

        Raises: ValidationError where an id is empty, too long, `.` or `..`: before a breaker counts it and a line is
        logged.
        """
        ids = {name: path_id(name, value) for name, value in self.ids.items()}
        query = urlencode({name: value for name, value in self.query.items() if value is not None})
        self.path = self.route.format(**ids) + (f"?{query}" if query else "")


class Closing:
    """A client whose connections are closed at the end of a `with` block."""

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

    Used by itself it tries again by `retry_policy`, and guards the service with a breaker of its own.
    """

    service: ClassVar[str]
    key_variable: ClassVar[str]

    def __init__(
        self,
        config: RegistryConfig | VaultConfig,
        retry_policy: RetryPolicy,
        breaker: "Breaker | None",
        idle_connections: int,
    ) -> None:
        # A producer calls no service, and need not load what this takes.
        from .breaker import Breaker
        from .http import USER_AGENT, Transport

        self._settings = config
        self._retry = retry_policy
        self._breaker = breaker or Breaker(self.service)
        self._transport = Transport(
            config.base_url,
            {"User-Agent": USER_AGENT, "Accept": "application/json"},
            idle_connections=idle_connections,
        )

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _is_healthy(self) -> bool:
        self._call(Call("health_check", "GET", "/health", authenticated=False, timeout_secs=HEALTH_TIMEOUT_SECS))
        return True

    @overload
    def _call(self, call: Call, returns: Payload[R]) -> R: ...
    @overload
    def _call(self, call: Call, returns: None = None) -> None: ...
    def _call(self, call: Call, returns: Payload[R] | None = None) -> R | None:
        """Send a call, again where that can help, and load its answer."""
        key = header_key(call.idempotency_key or str(uuid4()))
        longest_wait_secs = self._settings.timeout_secs
        try:
            return again(self._retry, longest_wait_secs, lambda: self._guarded(call, key, returns), call.repeatable)
        except TransientError as error:
            if call.repeatable or not error.maybe_done:
                raise
            told = "sent, but no answer came; look whether it happened before you send it again"
            raise UncertainOutcome(told, *error.args[1:]) from error

    def _delete(self, call: Call) -> None:
        """Send a delete; what is gone already is deleted."""
        try:
            self._call(call)
        except Refused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _guarded(self, call: Call, key: str, returns: Payload[R] | None) -> R | None:
        return self._breaker.call(lambda: self._attempt(call, key, returns), call.operation)

    def _attempt(self, call: Call, key: str, returns: Payload[R] | None) -> R | None:
        request_id = random_id()
        started = time.monotonic()
        status: int | None = None
        try:
            sent = None if call.body is None else encode(call.body)
            headers = self._headers(call, key, request_id)
            response, body = self._transport.exchange(call.method, call.path, headers, sent, self._timeout_secs(call))
            status, request_id = response.status, request_id_of(response) or request_id
            refuse(response, body, self.key_variable, call.schema)
            return load(response, body, returns) if returns else None
        except IntegrationError as error:
            raise _located(error, call, self.service, status, request_id) from error.__cause__
        finally:
            self._log(call, status, time.monotonic() - started, request_id)

    def _timeout_secs(self, call: Call) -> float:
        return min(call.timeout_secs or self._settings.timeout_secs, self._settings.timeout_secs)

    def _headers(self, call: Call, key: str, request_id: str) -> dict[str, str]:
        headers = {"X-Request-ID": request_id, **call.headers}
        if call.authenticated and self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        if call.method == "POST":
            headers["Idempotency-Key"] = key
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _log(self, call: Call, status: int | None, secs: float, request_id: str) -> None:
        if self._settings.enable_logging and logger.isEnabledFor(logging.INFO):
            facts = {
                "service": self.service,
                "method": call.method,
                "route": call.route,
                "status": status,
                "duration_ms": round(secs * 1000, 1),
                "request_id": request_id,
            }
            logger.info("%s", " ".join(f"{name}={value}" for name, value in facts.items()), extra=facts)


def encode(payload: Any) -> bytes:
    """The bytes that go onto the wire."""
    try:
        return orjson.dumps(payload)
    except TypeError:  # whole numbers of over 64 bits, keys that are no text
        return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def header_key(key: str) -> str:
    """A key as a header can carry it: another sender's task id may be any text, and then a UUID stands for it."""
    return key if re.fullmatch(r"[\x21-\x7e]{1,255}", key) else derived_id("idempotency", key)


def path_id(name: str, value: str) -> str:
    """An id as one segment of a path, percent-encoded.

    Raises: ValidationError where it is empty, too long, `.` or `..`.
    """
    try:
        return quote(_ID.deserialize(value), safe="")
    except marshmallow.ValidationError as error:
        raise ValidationError({name: error.messages}) from error


def _located(error: IntegrationError, call: Call, service: str, status: int | None, request: str) -> IntegrationError:
    known = error.status if status is None else status
    return type(error)(error.message, service, call.operation, known, request, error.retry_after_secs)
