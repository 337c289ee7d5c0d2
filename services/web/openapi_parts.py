"""What the contracts of both services share: errors, headers, parameters, health."""

from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

# What an operation may answer that it could not do, and what the caller should do about it.
ERRORS: dict[int, tuple[str, str]] = {
    400: ("Malformed", "The body is not JSON in UTF-8, or a header has a wrong value. Mend the call."),
    401: ("NoKey", "A valid bearer key is needed."),
    404: ("NotFound", "Nothing has this id."),
    409: ("Conflict", "What is there contradicts the call; `message` says how. The same call will not succeed."),
    413: ("TooLarge", "The body, or what it holds, is larger than this service takes."),
    422: ("Invalid", "The path, the query or the body breaks its schema; `errors` names the fields. Mend the call."),
    500: ("Failed", "The service failed. The operator's log has the failure under the request's id."),
    503: ("Unavailable", "The database does not answer. Try again after `Retry-After`."),
}
ERROR: dict[str, Any] = {
    "description": "Why a call was not done. It quotes nothing of what was sent but the names of fields.",
    "type": "object",
    "required": ["code", "status", "message"],
    "properties": {
        "code": {"type": "integer", "description": "The HTTP status."},
        "status": {"type": "string", "description": "The HTTP status in words."},
        "message": {"type": "string", "description": "What is wrong."},
        "errors": {"type": "object", "description": "For each field that is wrong, what is wrong with it."},
    },
}
HEALTH: dict[str, Any] = {
    "description": "Whether the service can work.",
    "type": "object",
    "required": ["status", "database"],
    "properties": {
        "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
        "database": {"type": "string", "enum": ["up", "down"]},
    },
}
HEADERS: dict[str, dict[str, Any]] = {
    "RequestId": {"description": "The request's id, as it stands in the service's log.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Challenge": {"description": "The scheme that is needed.", "schema": {"type": "string", "const": "Bearer"}},
}
ERROR_HEADERS = {401: {"WWW-Authenticate": "Challenge"}, 503: {"Retry-After": "RetryAfter"}}
PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "in": "header",
        "name": "X-Request-ID",
        "description": "An id for this request in the log and the answer: up to 128 of A-Z a-z 0-9 . _ : -. "
        "Anything else counts as absent; then the service makes one.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "in": "header",
        "name": "Idempotency-Key",
        "description": "The same key and body within 7 days get the first answer again, and change nothing. The same "
        "key with another body is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "Encryption": {
        "in": "header",
        "name": "X-Encryption-Enabled",
        "description": "Whether the archive is encrypted where it is kept.",
        "schema": {"type": "boolean", "default": True},
    },
    "Compression": {
        "in": "header",
        "name": "X-Compression-Enabled",
        "description": "Whether the archive is compressed where it is kept.",
        "schema": {"type": "boolean", "default": True},
    },
}


def error_body(code: int, message: str) -> dict[str, Any]:
    """What every refusal looks like."""
    return {"code": code, "status": HTTP_STATUS_CODES[code], "message": message}
