"""The parts that both contracts share: errors, headers, parameters, health."""

from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from ...schemas.json_schema import components
from ...schemas.refusals import REFUSAL, Refusal, RefusalSchema

# The errors of operations: the name in the contract, what happened and what the caller should do.
ERRORS: dict[int, tuple[str, str]] = {
    400: ("Malformed", "The body is not JSON in UTF-8, or a header has a wrong value. Fix the call."),
    401: ("NoKey", "A valid bearer key is required."),
    404: ("NotFound", "Nothing has this id."),
    409: ("Conflict", "The call contradicts what is stored; `reason` says how. Repeating it will not succeed."),
    413: ("TooLarge", "The body, or an item in it, is larger than this service accepts. Send less."),
    422: (
        "Invalid",
        "The path, the query or the body does not match its schema; `errors` names the fields. Fix the call.",
    ),
    500: ("Failed", "The service failed. Find the request id in its log."),
    503: ("Unavailable", "The database does not respond. Try again after `Retry-After`."),
}
ERROR: dict[str, Any] = {
    "description": "Why a call failed. Quotes nothing of the request except names of fields.",
    "type": "object",
    "required": ["code", "status", "message"],
    "properties": {
        "code": {"type": "integer", "description": "The HTTP status."},
        "status": {"type": "string", "description": "The HTTP status in words."},
        "message": {"type": "string", "description": "What is wrong."},
        "errors": {"type": "object", "description": "What is wrong with each invalid field."},
        **components(RefusalSchema)["Refusal"]["properties"],
    },
}
IDEMPOTENCY: dict[str, Any] = {
    "description": "A POST that is repeated under its Idempotency-Key has one effect.",
    "type": "object",
    "required": ["kept_days"],
    "properties": {
        "kept_days": {"type": ["integer", "null"], "description": "Days for which keys are kept; null: for ever."}
    },
}
REOPEN: dict[str, Any] = {
    "description": "An ended session can be reopened; a status may come with `if_ended_at` and `asked_at`.",
    "type": "object",
}
SESSION_FILTERS: dict[str, Any] = {
    "description": "The parameters by which the listing of sessions can be filtered.",
    "type": "array",
    "items": {"type": "string"},
}
_MOST = {"most": {"type": "integer", "description": "The most entries of one request."}}
USAGE_BATCH: dict[str, Any] = {
    "description": "Usage reports can be sent together.", "type": "object", "required": ["most"], "properties": _MOST,
}  # fmt: skip
STATUS_BATCH: dict[str, Any] = {
    "description": "The status of many sessions can be set together.",
    "type": "object",
    "required": ["most"],
    "properties": _MOST,
}
SESSION_BATCH: dict[str, Any] = {
    "description": "Many sessions can be read together.", "type": "object", "required": ["most"], "properties": _MOST,
}  # fmt: skip
ARCHIVE_POLICY: dict[str, Any] = {
    "description": "An entry of a batch of archives may name the policy that it is stored under.", "type": "object",
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "description": "Whether the service can work.",
    "type": "object",
    "required": ["status", "database"],
    "properties": {
        "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
        "database": {"type": "string", "enum": ["up", "down"]},
        "version": {"type": "string", "description": "The release of the service; absent if it is unhealthy."},
        "capabilities": {
            "type": "object",
            "description": "What the service can do beyond the published contract, each with its facts; absent if "
            "it is unhealthy.",
            "properties": {
                "idempotency": IDEMPOTENCY,
                "reopen": REOPEN,
                "session_filters": SESSION_FILTERS,
                "usage_batch": USAGE_BATCH,
                "status_batch": STATUS_BATCH,
                "session_batch": SESSION_BATCH,
                "archive_policy": ARCHIVE_POLICY,
            },
        },
    },
}
HEADERS: dict[str, dict[str, Any]] = {
    "RequestId": {"description": "The request's id, as in the service's log.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Challenge": {"description": "The required scheme.", "schema": {"type": "string", "const": "Bearer"}},
}
ERROR_HEADERS = {401: {"WWW-Authenticate": "Challenge"}, 503: {"Retry-After": "RetryAfter"}}
PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "in": "header",
        "name": "X-Request-ID",
        "description": "An id for this request in the log and the response: up to 128 of A-Z a-z 0-9 . _ : -. "
        "Anything else counts as absent, and the service makes one.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "in": "header",
        "name": "Idempotency-Key",
        "description": "For 90 days at least, the same key, path and body get the first response again and change "
        "nothing. The same key with another path or body is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "Encryption": {
        "in": "header",
        "name": "X-Encryption-Enabled",
        "description": "Whether the archive is encrypted at rest.",
        "schema": {"type": "boolean", "default": True},
    },
    "Compression": {
        "in": "header",
        "name": "X-Compression-Enabled",
        "description": "Whether the archive is compressed at rest.",
        "schema": {"type": "boolean", "default": True},
    },
}


def error_body(code: int, message: str, refusal: Refusal | None = None) -> dict[str, Any]:
    """What the body of every error looks like; a refusal that has a reason says it in fields, too."""
    facts = REFUSAL.as_json(refusal) if refusal else {}
    return {"code": code, "status": HTTP_STATUS_CODES[code], "message": message, **facts}
