"""How each queue is: what waits and is in flight, since when, and what holds it. Two steps of Redis, and the holds."""

import time
from dataclasses import dataclass
from typing import Any

from ..delivery import ByHand, Hold
from ..delivery.broker.load import ask_fleet, ask_waiting, read_fleet, read_waiting
from ..tasks.operation import SENT_AT
from .target import Target


@dataclass(frozen=True)
class QueueState:
    """A queue. `hold` is what holds it while no person decides, `by_hand` what a person decided.

    `waiting` is None if a key of the queue holds data of another kind, `oldest_secs` if no message says its time.
    """

    name: str
    waiting: int | None
    in_flight: int
    oldest_secs: float | None
    hold: Hold | None
    by_hand: ByHand | None


def queue_states(target: Target) -> list[QueueState]:
    """Every queue of the app.

    Raises: redis.RedisError.
    """
    keys, queues = target.delivery.keys, target.queues
    with target.broker() as broker, broker.pipeline(transaction=False) as pipe:
        ask_fleet(pipe, keys, queues, target.delivery.visibility_timeout_secs)
        ask_waiting(pipe, keys, {queue: target.lists(queue) for queue in queues}, SENT_AT)
        replies: list[Any] = pipe.execute()
    in_flight, waiting = read_fleet(replies[0], queues).in_flight, read_waiting(replies[1], queues)
    holds = target.delivery.holds
    by_hand = holds.by_hand()

    def state(queue: str) -> QueueState:
        found = waiting.get(queue)
        oldest_secs = None if found is None or found.since is None else max(0.0, time.time() - found.since)
        count = None if found is None else found.messages
        return QueueState(queue, count, in_flight[queue], oldest_secs, holds.by_itself(queue), by_hand.get(queue))

    return [state(queue) for queue in queues]
