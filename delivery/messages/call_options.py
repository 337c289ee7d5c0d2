"""How a task was to run, as a dead letter keeps it: when, until when, how long, and as a part of what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from celery.utils.time import maybe_iso8601

from ..timestamps import now

# What a sender sets, by the name of the header; everything else that is not Celery's is a header of the sender's own.
_KEPT = ("eta", "expires", "timelimit", "ignore_result", "group", "group_index", "root_id", "parent_id")
_CELERYS = {
    *_KEPT,
    *("lang", "task", "id", "shadow", "retries", "argsrepr", "kwargsrepr", "origin", "compression"),
    *("replaced_task_nesting", "stamped_headers", "stamps", "redelivered", "worker_losses"),
    *("args", "kwargs", "utc", "callbacks", "errbacks", "chain", "chord", "taskset"),  # the body of protocol 1
}


def options_of(headers: Mapping[str, Any], priority: Any = None) -> dict[str, Any]:
    """What of a task's headers a replay needs; nothing where a sender set nothing."""
    found = {name: headers[name] for name in _KEPT if _says_something(headers.get(name))}
    if found.get("root_id") == headers.get("id"):
        found.pop("root_id", None)
    own = {name: value for name, value in headers.items() if name not in _CELERYS and value is not None}
    return {**found, **({"headers": own} if own else {}), **({"priority": priority} if priority else {})}


def _says_something(value: Any) -> bool:
    return value is not None and value is not False and value != [None, None]  # 0 is the first place in a group


def with_options(call: dict[str, Any], headers: Mapping[str, Any], priority: Any = None) -> dict[str, Any]:
    """A letter's payload: a call, and how it was to run."""
    options = options_of(headers, priority)
    return {**call, **({"options": options} if options else {})}


def sending_options(letter_payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options for `send_task` that let a task run as it was to run; an `eta` that has passed is left out."""
    kept = kept_options(letter_payload)
    hard, soft = kept.get("timelimit") or (None, None)
    eta = time_of(kept.get("eta"))
    found = {
        "eta": eta if eta and eta > now() else None,
        "expires": time_of(kept.get("expires")),
        "time_limit": hard,
        "soft_time_limit": soft,
        "ignore_result": kept.get("ignore_result"),
        "root_id": kept.get("root_id"),
        "parent_id": kept.get("parent_id"),
        "headers": kept.get("headers"),
        "priority": kept.get("priority"),
    }
    return {name: value for name, value in found.items() if value is not None}


def kept_options(payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options that a letter's payload keeps."""
    return cast("dict[str, Any]", (payload or {}).get("options") or {})


def time_of(value: Any) -> datetime | None:
    """The time that a header names, or None; a time without a zone is in UTC, as Celery sends it."""
    try:
        found = maybe_iso8601(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    if not isinstance(found, datetime):
        return None
    return found if found.tzinfo else found.replace(tzinfo=now().tzinfo)
