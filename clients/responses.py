"""What an answer means: its status as an error, its body as a model.

Nothing of a body ever reaches an error, because a body may quote the conversation that was sent.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..schemas.base import Payload, ValidationError
from .errors import AuthenticationError, HttpError, Refused, SerializationError, ServiceUnavailable

if TYPE_CHECKING:
    import requests

R = TypeVar("R")

LONGEST_RETRY_AFTER_SECS = 86_400.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def refuse(answer: "requests.Response", body: bytes, key_variable: str, schema: Payload[Any] | None) -> None:
    """Raise the error that stands for the answer's status, if it is not a 2xx.

    Raises: AuthenticationError (401, 403), ServiceUnavailable (429, 5xx), Refused naming those
    fields of the request's schema that the body speaks of.
    """
    status = answer.status_code
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise AuthenticationError(f"the service refused the key; set {key_variable}")
    if status >= 500 or status == 429:
        raise ServiceUnavailable(_phrase(status), retry_after_secs=retry_after_secs(answer))
    if status < 400:
        raise Refused("the service answered with a redirect; configure its final address")
    named = sorted(_names(schema) & set(_keys(_json(body))))
    raise Refused(_phrase(status) + (f", see {', '.join(named)}" if named else ""))


def load(answer: "requests.Response", body: bytes, returns: Payload[R]) -> R:
    """Make the model of an answer's body.

    Raises: SerializationError naming the fields that are not what the contract says, HttpError where it may
    have been cut.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        if not _tells_its_end(answer):
            raise HttpError("the answer told no length and may have been cut") from None
        raise SerializationError("the answer is not JSON") from error
    try:
        return returns.read(payload)
    except ValidationError as error:
        named = sorted(_names(returns) & set(_keys(error.messages))) or ["its shape"]
        raise SerializationError(f"the answer is not what the contract says: {', '.join(named)}") from error


def request_id_of(answer: "requests.Response") -> str | None:
    """The request id that the service gave, if it looks like one."""
    given = answer.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def retry_after_secs(answer: "requests.Response") -> float | None:
    """The wait that the service asked for (RFC 9110, Retry-After), at most a day."""
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        wait = float(text) if text.isdigit() else (_moment(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), LONGEST_RETRY_AFTER_SECS)


def _tells_its_end(answer: "requests.Response") -> bool:
    """Whether a cut would have been noticed; headers that were cut themselves end like whole ones."""
    chunked = answer.headers.get("Transfer-Encoding", "").lower().endswith("chunked")
    return answer.status_code == HTTPStatus.NO_CONTENT or chunked or answer.headers.get("Content-Length", "").isdigit()


def _names(schema: Payload[Any] | None) -> set[str]:
    return {str(field.data_key or name) for name, field in schema.fields.items()} if schema else set()


def _moment(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _phrase(status: int) -> str:
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return "refused"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body[:65_536])
    except (ValueError, RecursionError):
        return None


def _keys(value: Any) -> Iterator[str]:
    """Every key of nested JSON."""
    if isinstance(value, dict):
        for key, inner in cast("dict[Any, Any]", value).items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _keys(inner)
