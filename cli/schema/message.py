"""The parts of a message that are Celery's, as JSON Schema: what the worker takes, and what it answers with.

Message protocol 2 of Celery over kombu's Redis transport. The keywords are those that draft-07 and 2020-12 share,
because an AsyncAPI document is read by tools of either.
"""

from typing import Any, get_type_hints

from ...delivery.dead_letters import DeadLetter
from ...schemas.json_schema import components
from .task import record

REFS = "#/components/schemas/"
NAME = {"type": "string", "pattern": "^[\\x21-\\x7e]{1,256}$", "description": "Printable ASCII without spaces."}
_NAME_OR_NULL = {"type": ["string", "null"], "pattern": NAME["pattern"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_SECS = {"type": ["number", "null"], "minimum": 0}
_SIGNATURE = {
    "type": "object",
    "required": ["task"],
    "properties": {
        "task": NAME,
        "args": {"type": "array"},
        "kwargs": {"type": "object"},
        "options": {"type": "object", "description": "`task_id`, `queue` and other options of sending."},
        "immutable": {"type": "boolean", "description": "Whether the answer of the task before is left out."},
    },
}
_SIGNATURES = {"type": ["array", "null"], "items": _SIGNATURE}

HEADERS = {
    "type": "object",
    "description": "What a task message says of itself. Celery's libraries send more; it is ignored.",
    "required": ["task", "id"],
    "properties": {
        "task": NAME,
        "id": {**NAME, "description": "The task's id, which is also the idempotency key of the request it makes."},
        "root_id": {**_NAME_OR_NULL, "description": "The id of the chain's first task; alone, the task's own."},
        "parent_id": _NAME_OR_NULL,
        "group": _NAME_OR_NULL,
        "lang": {"type": "string", "description": "The sender's language; any text."},
        "eta": {**_MOMENT, "description": "Not before this moment."},
        "expires": {**_MOMENT, "description": "Not after this moment: then it is a dead letter."},
        "retries": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
        "timelimit": {"type": ["array", "null"], "items": _SECS, "minItems": 2, "maxItems": 2},
        "ignore_result": {
            "type": ["boolean", "null"],
            "description": "False makes a task that only writes say when it is done; true keeps no result.",
        },
    },
}
EMBED = {
    "type": "object",
    "description": "What follows the task; an empty object says the same as nulls.",
    "properties": {
        "callbacks": _SIGNATURES,
        "errbacks": _SIGNATURES,
        "chain": {**_SIGNATURES, "description": "The tasks that follow, the last one first."},
        "chord": {**_SIGNATURE, "type": ["object", "null"]},
    },
}
LIST_ITEM = {
    "type": "object",
    "description": "An item of a queue's Redis list, pushed at the left (LPUSH): the message as kombu writes it.",
    "required": ["body", "headers", "properties", "content-type", "content-encoding"],
    "properties": {
        "body": {
            "type": "string",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            "contentEncoding": "base64",
            "contentMediaType": "application/json",
            "description": "The payload: parameters and what follows.",
        },
        "content-type": {"const": "application/json"},
        "content-encoding": {"const": "utf-8"},
        "headers": {"$ref": f"{REFS}TaskHeaders"},
        "properties": {
            "type": "object",
            "required": ["delivery_tag", "delivery_info", "body_encoding"],
            "properties": {
                "delivery_tag": {**NAME, "description": "Different in every message."},
                "delivery_info": {
                    "type": "object",
                    "properties": {"exchange": {"type": "string"}, "routing_key": {"type": "string"}},
                    "description": "The queue's name, twice. The worker goes by the list that it took the item from.",
                },
                "body_encoding": {"const": "base64"},
                "correlation_id": {**_NAME_OR_NULL, "description": "The task's id."},
                "reply_to": _NAME_OR_NULL,
                "delivery_mode": {"const": 2},
                "priority": {"type": "integer", "const": 0, "description": "Others go to lists of other names."},
            },
        },
    },
}
FAILURE = {
    "type": "object",
    "description": "A task that failed for good; it is a dead letter too.",
    "required": ["task_id", "status", "result"],
    "properties": {
        "task_id": NAME,
        "status": {"const": "FAILURE"},
        "result": {
            "type": "object",
            "required": ["exc_type", "exc_message"],
            "properties": {
                "exc_type": {"type": "string", "examples": ["ValidationError", "Refused"]},
                "exc_message": {"description": "The error's arguments; of a ValidationError, messages by field."},
                "exc_module": {"type": ["string", "null"]},
            },
        },
    },
}


def success(result: dict[str, Any]) -> dict[str, Any]:
    """What is stored and published when a task has answered."""
    return {
        "type": "object",
        "required": ["task_id", "status", "result"],
        "properties": {"task_id": NAME, "status": {"const": "SUCCESS"}, "result": result},
    }


def body(parameters: list[str]) -> dict[str, Any]:
    """A message's payload: no positional arguments, parameters after one of these schemas, what follows."""
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
    """A dead letter as it is kept in Redis."""
    return components(record("DeadLetter", get_type_hints(DeadLetter), DeadLetter.__doc__ or ""))["DeadLetter"]
