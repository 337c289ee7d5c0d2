"""What `mgw queues` says of each queue."""

from collections.abc import Iterator
from typing import Any

from ...delivery import Hold
from ...schemas.fields import format_timestamp
from ..target import Target
from .other_queues import other_queues

_NOBODY = "not a queue of this app: nobody takes from it"


def rows(target: Target) -> Iterator[dict[str, Any]]:
    """Each queue, with the strictest hold on it."""
    with target.broker() as broker:
        for queue in target.queues:
            yield {"queue": queue, "waiting": target.waiting(broker, queue), **_why(target.hold(queue))}
        for other in other_queues(target, broker):
            if other.is_ours:
                yield {"queue": other.name, "waiting": other.waiting, **_why(None), "why": _NOBODY}


def _why(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"held_for": None, "since": None, "why": None, "permits_a_second": None, "free_at": None}
    since = format_timestamp(hold.since)
    held = {"held_for": hold.service, "since": since, "why": hold.why}
    return {**held, "permits_a_second": hold.permits, "free_at": hold.free_at}
