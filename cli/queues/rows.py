"""What `mgw queues` says of each queue."""

from collections.abc import Iterator
from typing import Any

from redis import Redis

from ...delivery import ByHand, Hold
from ...schemas.fields import format_timestamp
from ..target import Target
from .other_queues import other_queues

_NOBODY = "not a queue of this app: nobody takes from it"


def rows(target: Target) -> Iterator[dict[str, Any]]:
    """Each queue, with the strictest hold on it, and what a person decided about it."""
    with target.broker() as broker:
        for queue in target.queues:
            yield row_of(target, broker, queue)
        for other in other_queues(target, broker):
            if other.is_ours:
                yield {"queue": other.name, "waiting": other.waiting, **_why(None), "why": _NOBODY, "by_hand": None}


def row_of(target: Target, broker: Redis, queue: str) -> dict[str, Any]:
    """The same of one queue of the app."""
    decided = target.delivery.holds.by_hand().get(queue)
    waiting, why = target.waiting(broker, queue), _why(target.hold(queue))
    return {"queue": queue, "waiting": waiting, **why, "by_hand": _said(decided)}


def _why(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"held_for": None, "since": None, "why": None, "permits_a_second": None, "free_at": None}
    since = format_timestamp(hold.since)
    held = {"held_for": hold.service, "since": since, "why": hold.why}
    return {**held, "permits_a_second": hold.permits, "free_at": hold.free_at}


def _said(decided: ByHand | None) -> dict[str, Any] | None:
    if decided is None:
        return None
    since = format_timestamp(decided.since)
    return {"is_held": decided.is_held, "by": decided.by, "reason": decided.reason, "since": since}
