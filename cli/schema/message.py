"""The parts of a message that are defined by Celery, as JSON Schema: what the worker accepts and what it returns.

This is Celery's message protocol 2 over kombu's Redis transport. Only keywords that draft-07 and 2020-12 share are
used, because tools for AsyncAPI documents may use either.
"""

from inspect import getdoc
from typing import Any, get_type_hints

from ...delivery.dead_letters.store import DeadLetter
from ...schemas.json_schema import components
from .task import record

REFS = "#/components/schemas/"
NAME = {"type": "string", "pattern": "^[\\x21-\\x7e]{1,256}$", "description": "Printable ASCII without spaces."}
_NAME_OR_NULL = {"type": ["string", "null"], "pattern": NAME["pattern"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_SECS = {"type": ["number", "null"], "minimum": 0}
_SIGNATURE = {
    "type": "object",
    "required": ["task"],
    "properties": {
        "task": NAME,
        "args": {"type": "array"},
        "kwargs": {"type": "object"},
        "options": {"type": "object", "description": "`task_id`, `queue` and other options of sending."},
        "immutable": {"type": "boolean", "description": "Whether the result of the previous task is not passed on."},
    },
}
_SIGNATURES = {"type": ["array", "null"], "items": _SIGNATURE}

HEADERS = {
    "type": "object",
    "description": "The headers of a task message. Celery's libraries send more headers, which are ignored.",
    "required": ["task", "id"],
    "properties": {
        "task": NAME,
        "id": {
            **NAME,
            "description": "The task's id, and the idempotency key of the request that the task makes.",
        },
        "root_id": {**_NAME_OR_NULL, "description": "The id of the chain's first task; of a single task, its own id."},
        "parent_id": _NAME_OR_NULL,
        "group": _NAME_OR_NULL,
        "lang": {"type": "string", "description": "The sender's language, as any text."},
        "eta": {**_TIME, "description": "The task does not run before this time."},
        "expires": {**_TIME, "description": "The task does not run after this time; it becomes a dead letter."},
        "retries": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
        "timelimit": {"type": ["array", "null"], "items": _SECS, "minItems": 2, "maxItems": 2},
        "ignore_result": {
            "type": ["boolean", "null"],
            "description": "If false, a task that only writes has a result, too; if true, no result is kept.",
        },
        "traceparent": {
            "description": "W3C Trace Context: the trace that the task joins. What is no valid one is ignored.",
            "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        },
    },
}
EMBED = {
    "type": "object",
    "description": "What follows the task; an empty object means the same as nulls.",
    "properties": {
        "callbacks": _SIGNATURES,
        "errbacks": _SIGNATURES,
        "chain": {**_SIGNATURES, "description": "The tasks that follow, the last one first."},
        "chord": {**_SIGNATURE, "type": ["object", "null"]},
    },
}
LIST_ITEM = {
    "type": "object",
    "description": "An item of a queue's Redis list, pushed with LPUSH: the message as kombu writes it.",
    "required": ["body", "headers", "properties", "content-type", "content-encoding"],
    "properties": {
        "body": {
            "type": "string",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            "contentEncoding": "base64",
            "contentMediaType": "application/json",
            "description": "The parameters, and what follows the task.",
        },
        "content-type": {"const": "application/json"},
        "content-encoding": {"const": "utf-8"},
        "headers": {"$ref": f"{REFS}TaskHeaders"},
        "properties": {
            "type": "object",
            "required": ["delivery_tag", "delivery_info", "body_encoding"],
            "properties": {
                "delivery_tag": {**NAME, "description": "Unique for every message."},
                "delivery_info": {
                    "type": "object",
                    "properties": {"exchange": {"type": "string"}, "routing_key": {"type": "string"}},
                    "description": "The queue's name in both. The worker uses the name of the item's list.",
                },
                "body_encoding": {"const": "base64"},
                "correlation_id": {**_NAME_OR_NULL, "description": "The task's id."},
                "reply_to": _NAME_OR_NULL,
                "delivery_mode": {"const": 2},
                "priority": {
                    "type": "integer",
                    "const": 0,
                    "description": "Other priorities use lists of other names.",
                },
            },
        },
    },
}
FAILURE = {
    "type": "object",
    "description": "A task that failed for good; it is also a dead letter.",
    "required": ["task_id", "status", "result"],
    "properties": {
        "task_id": NAME,
        "status": {"const": "FAILURE"},
        "result": {
            "type": "object",
            "required": ["exc_type", "exc_message"],
            "properties": {
                "exc_type": {"type": "string", "examples": ["ValidationError", "Refused"]},
                "exc_message": {"description": "The error's arguments; for a ValidationError, messages by field."},
                "exc_module": {"type": ["string", "null"]},
            },
        },
    },
}


def success(result: dict[str, Any]) -> dict[str, Any]:
    """What is stored and published when a task has succeeded."""
    return {
        "type": "object",
        "required": ["task_id", "status", "result"],
        "properties": {"task_id": NAME, "status": {"const": "SUCCESS"}, "result": result},
    }


def body(parameters: list[str]) -> dict[str, Any]:
    """A message's body: no positional arguments, parameters of one of these schemas, and what follows the task."""
    refs = [{"$ref": REFS + name} for name in parameters]
    return {
        "type": "array",
        "items": [
            {"type": "array", "maxItems": 0},
            refs[0] if len(refs) == 1 else {"anyOf": refs},
            {"$ref": f"{REFS}Following"},
        ],
        "additionalItems": False,
        "minItems": 3,
    }


def dead_letter() -> dict[str, Any]:
    """The schema of a dead letter as it is kept in Redis."""
    return components(record("DeadLetter", get_type_hints(DeadLetter), getdoc(DeadLetter) or ""))["DeadLetter"]
