"""Read a response: its status as an error, its body as a model.

No text of a body ever reaches an error, because a body may quote the conversation that was sent. A known reason of a
refusal does, with its dates and statuses (`schemas.refusals`): they are read into our own types, and said in our words.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..schemas.base import Payload, ValidationError
from ..schemas.refusals import REFUSAL, refusal_of
from .errors import (
    AuthenticationError,
    HttpError,
    IntegrationError,
    NotFound,
    Refused,
    SerializationError,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

R = TypeVar("R")

_MOST_NAMED = 5
LONGEST_RETRY_AFTER_SECS = 86_400.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def refuse(response: "BaseHTTPResponse", body: bytes, key_variable: str, schema: Payload[Any] | None) -> None:
    """Raise the error that the response's status stands for, unless it is a 2xx.

    Raises: AuthenticationError (401, 403); ServiceUnavailable (429, 5xx); NotFound (a 404 whose body is an error of the
    contract); Refused (any other status). The last two say why if the service gives a known reason, else they name the
    fields of the request's schema that the body mentions.
    """
    status = response.status
    if 200 <= status < 300:
        return
    known = error_of(status, key_variable, retry_after_secs(response))
    if known is not None:
        raise known
    told = _json(body)
    is_error = _is_error(told, status)
    kind = NotFound if status == HTTPStatus.NOT_FOUND and is_error else Refused
    refusal = refusal_of(told) if is_error else None
    if refusal is not None:
        raise kind(refusal.sentence, fields=REFUSAL.as_json(refusal))
    named = sorted(_names(schema) & set(_keys(told)))
    raise kind(phrase(status) + (f", see {', '.join(named)}" if named else ""))


def error_of(status: int, key_variable: str, retry_secs: float | None = None) -> IntegrationError | None:
    """Return the error that a status stands for whatever the response says; None for a refusal (another 4xx)."""
    if status in (401, 403):
        return AuthenticationError(f"the service refused the key; set {key_variable}")
    if status >= 500 or status == 429:
        return ServiceUnavailable(phrase(status), retry_after_secs=retry_secs)
    if status < 400:
        return Refused("the service responded with a redirect, which is not followed; configure its final address")
    return None


def load(response: "BaseHTTPResponse", body: bytes, returns: Payload[R]) -> R:
    """Return the model that the response's body holds.

    Raises: SerializationError naming the fields that break the contract; HttpError if the body may be truncated.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        if not _has_known_end(response):
            raise HttpError("the response has no Content-Length and may be truncated") from None
        raise SerializationError("the response is not JSON") from error
    try:
        return returns.read(payload)
    except ValidationError as error:
        raise SerializationError(f"the response breaks the contract; see {named_fields(error.messages)}") from error


def confirmed(found: R, expects: Mapping[str, str]) -> R:
    """Return a response that is about what was asked; a cache or a proxy may have given another's.

    Raises: SerializationError naming the field that differs, never its value.
    """
    for name, asked in expects.items():
        if getattr(found, name) != asked:
            raise SerializationError(f"the response is about another {name} than was asked")
    return found


def named_fields(messages: Any) -> str:
    """Return the first fields that a response's errors name, like `sessions.5.status`, never a value.

    A response is read by its schema alone, so the names are ours.
    """
    named = list(islice((".".join(path) for path in _paths(messages) if path), _MOST_NAMED + 1))
    return ", ".join([*named[:_MOST_NAMED], *(["more"] if len(named) > _MOST_NAMED else [])]) or "its structure"


def request_id_of(response: "BaseHTTPResponse") -> str | None:
    """Return the request id of the service, if it sent one that looks like an id."""
    given = response.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def retry_after_secs(response: "BaseHTTPResponse") -> float | None:
    """Return the wait that the service asked for (RFC 9110, Retry-After), at most a day."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        wait = float(text) if text.isdigit() else (_http_date(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), LONGEST_RETRY_AFTER_SECS)


def _has_known_end(response: "BaseHTTPResponse") -> bool:
    """Return whether a truncated body would have been noticed; truncated headers look like complete ones."""
    chunked = response.headers.get("Transfer-Encoding", "").lower().endswith("chunked")
    return response.status == HTTPStatus.NO_CONTENT or chunked or response.headers.get("Content-Length", "").isdigit()


def _names(schema: Payload[Any] | None) -> set[str]:
    return {str(field.data_key or name) for name, field in schema.fields.items()} if schema else set()


def _paths(messages: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(messages, dict):
        for name, inner in cast("dict[Any, Any]", messages).items():
            yield from _paths(inner, above if name == "_schema" else (*above, str(name)))
    else:
        yield above


def _http_date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def phrase(status: int) -> str:
    """Return the words of a status, such as `Not Found`."""
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return "refused"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body[:65_536])
    except (ValueError, RecursionError):
        return None


def _is_error(told: Any, status: int) -> bool:
    """Return whether a body is an error of the contract: a proxy's page and another service's error are not."""
    return isinstance(told, dict) and cast("dict[str, Any]", told).get("code") == status


def _keys(value: Any) -> Iterator[str]:
    """Yield every key of nested JSON, however deep: newer Pythons parse deeper than their own code may recurse."""
    left = [value]
    while left:
        inside = left.pop()
        if isinstance(inside, dict):
            yield from map(str, cast("dict[Any, Any]", inside))
            left.extend(cast("dict[Any, Any]", inside).values())
        elif isinstance(inside, list):
            left.extend(cast("list[Any]", inside))
