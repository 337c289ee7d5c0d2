"""The answer to bytes that are no HTTP request: JSON as all others, and nothing of what was sent."""

import json
from typing import Any

from gunicorn.http.errors import (  # pyright: ignore[reportMissingTypeStubs]
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from werkzeug.http import HTTP_STATUS_CODES

from .log import LOGGER, request_id
from .openapi_parts import error_body

_REASONS: dict[type[Exception], tuple[int, str]] = {
    LimitRequestLine: (414, "The address is too long."),
    LimitRequestHeaders: (431, "The headers are too many or too large."),
    ExpectationFailed: (417, "No expectation is met but 100-continue."),
    UnsupportedTransferCoding: (501, "A body comes whole or chunked, in no other transfer coding."),
    ParseException: (400, "This is not HTTP as the service reads it."),
    Exception: (500, "The service failed."),
}


def refusal(error: BaseException) -> bytes:
    """Log that a request could not be read, and make the answer, after which the connection ends."""
    status, reason = next(said for kind, said in _REASONS.items() if isinstance(error, kind))
    identity = request_id(None)
    facts: dict[str, Any] = {"method": "?", "route": None, "status": status, "request_id": identity}
    LOGGER.info("request", extra={"facts": facts})
    body = json.dumps(error_body(status, reason))
    lines = (
        f"HTTP/1.1 {status} {HTTP_STATUS_CODES[status]}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {identity}",
    )
    return "\r\n".join((*lines, "", body)).encode()
