"""The response to bytes that are not an HTTP request: JSON like all errors, quoting nothing of what was sent."""

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

from .headers import UNKEPT, common_headers
from .log import log_request, request_id
from .openapi_parts import error_body
from .reception import TooMuch, TooSlow

_REASONS: dict[type[Exception], tuple[int, str]] = {
    LimitRequestLine: (414, "The address is too long."),
    LimitRequestHeaders: (431, "The headers are too many or too large."),
    ExpectationFailed: (417, "The only expectation that is met is 100-continue."),
    UnsupportedTransferCoding: (501, "The only transfer coding that is read is chunked."),
    TooSlow: (408, "The request did not arrive in time."),
    TooMuch: (503, "Too many large requests arrive at the same time."),
    ParseException: (400, "The request is not valid HTTP."),
    Exception: (500, "The service failed."),
}


def bad_request_response(error: BaseException) -> bytes:
    """Log that a request could not be parsed, and make the response; the connection closes after it."""
    status, reason = next(reply for kind, reply in _REASONS.items() if isinstance(error, kind))
    new_id = request_id(None)
    facts: dict[str, Any] = {"method": "?", "route": None, "status": status, "request_id": new_id}
    log_request(facts)
    body = json.dumps(error_body(status, reason))
    lines = (
        f"HTTP/1.1 {status} {HTTP_STATUS_CODES[status]}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (*common_headers(new_id), UNKEPT)),
    )
    return "\r\n".join((*lines, "", body)).encode()
