"""Remote control of countdowns that wait in Redis: no worker has them, so the leading one answers for them.

Celery's own `scheduled`, `query_task` and `revoke` know only what is in a worker's memory.
"""

from collections.abc import Iterator
from typing import Any

import orjson
from celery.worker import control
from kombu.utils.functional import maybe_list

from ..broker.transport import Channel
from ..redaction import HIDDEN

_MOST_LISTED = 1000  # the rest of 20,000 would be an answer that nobody reads

# The stubs lack what is taken from here.
_celery: Any = control
_scheduled, _query_task, _revoke = _celery.scheduled, _celery.query_task, _celery.revoke


@_celery.inspect_command(alias="dump_schedule")
def scheduled(state: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """List of currently scheduled ETA/countdown tasks, the first thousand of those in Redis included."""
    listed = [{"eta": found["eta"], "priority": 0, "request": found["request"]} for found in _waiting(state)]
    return [*_scheduled(state), *listed]


@_celery.inspect_command(variadic="ids", signature="[id1 [id2 [... [idN]]]]")
def query_task(state: Any, ids: Any, **kwargs: Any) -> dict[str, Any]:
    """Query for task information by id."""
    found = [one["request"] for wanted in maybe_list(ids) or [] for one in _waiting(state, str(wanted))]
    return {**{request["id"]: ("scheduled", request) for request in found}, **_query_task(state, ids)}


@_celery.control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **kwargs: Any) -> Any:
    """Revoke task by task id (or list of ids); one that waits in Redis comes to a worker, and ends there, at once."""
    told = _revoke(state, task_id, terminate, signal, **kwargs)
    for wanted in maybe_list(task_id) or [] if Channel.leads else []:
        _qos(state).hurry(str(wanted))
    return told


def _waiting(state: Any, task_id: str = "") -> Iterator[dict[str, Any]]:
    """The tasks that wait in Redis, those that come next first, or the one with an id."""
    if not Channel.leads:
        return
    for noted in _qos(state).parked(_MOST_LISTED, task_id):
        found = _described(noted)
        if found:
            yield found


def _described(noted: bytes) -> dict[str, Any] | None:
    try:
        headers: dict[str, Any] = orjson.loads(noted)[0]["headers"]
        request = {"id": str(headers["id"]), "name": str(headers["task"]), "args": HIDDEN, "kwargs": HIDDEN}
        return {"eta": headers.get("eta"), "request": {**request, "acknowledged": False, "worker_pid": None}}
    except (ValueError, LookupError, TypeError):  # whoever takes it sets it aside
        return None


def _qos(state: Any) -> Any:
    return state.consumer.task_consumer.channel.qos
