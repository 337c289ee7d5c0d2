"""What is read of the broker: workers, queues, in-flight messages."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...delivery.broker.load import ask_fleet, ask_waiting, read_fleet, read_waiting
from ...tasks.operation import SENT_AT
from ..target import Target
from .samples import Sample


class FleetPart:
    """Workers, and what they have in flight."""

    name = "fleet"

    def __init__(self, target: Target) -> None:
        self._delivery, self._queues = target.delivery, target.queues

    def ask(self, pipe: Any) -> None:
        """Ask for all of it in one step of Redis."""
        ask_fleet(pipe, self._delivery.keys, self._queues, self._delivery.visibility_timeout_secs)

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """The workers, and the in-flight messages of each queue."""
        found = read_fleet(replies[0], self._queues)
        yield Sample("workers", found.workers)
        yield Sample("messages_in_flight_unknown", found.unknown)
        yield Sample("messages_abandoned", found.abandoned)
        yield Sample("messages_scheduled", found.scheduled)
        for queue, count in found.in_flight.items():
            yield Sample("queue_messages_in_flight", count, (queue,))


class QueuesPart:
    """What waits on each queue."""

    name = "queues"

    def __init__(self, target: Target) -> None:
        self._keys, self._lists = target.delivery.keys, {queue: target.lists(queue) for queue in target.queues}

    def ask(self, pipe: Any) -> None:
        """Ask for all queues in one step of Redis."""
        ask_waiting(pipe, self._keys, self._lists, SENT_AT)

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """How much waits on each queue that can be read, how long, and what may be taken of it."""
        for queue, found in read_waiting(replies[0], self._lists).items():
            yield Sample("queue_messages_waiting", found.messages, (queue,))
            yield Sample("queue_messages_undated", found.undated, (queue,))
            age_secs = 0.0 if found.since is None else max(0.0, time.time() - found.since)
            yield Sample("queue_oldest_age_seconds", age_secs, (queue,))
            if found.permits is not None:
                yield Sample("queue_permits", found.permits, (queue,))


def backlogs(samples: Iterable[Sample], needs: Mapping[str, Sequence[str]]) -> Iterator[Sample]:
    """Whether each queue is held, and what workers are to be scaled by; `needs` are the services of each queue."""
    known = {(sample.name, *sample.labels): sample.value for sample in samples}
    for name, *labels in list(known):
        if name != "queue_messages_waiting":
            continue
        queue = labels[0]
        held = is_held(known, queue, needs.get(queue, ()))
        waiting, in_flight = known[name, queue], known.get(("queue_messages_in_flight", queue), 0)
        yield Sample("queue_held", held, (queue,))
        yield Sample("queue_backlog", 0 if held else waiting + in_flight, (queue,))


def is_held(known: Mapping[tuple[str, ...], float], queue: str, needs: Iterable[str]) -> bool:
    """Whether a queue that needs these services is held; `known` are samples by name and labels."""
    by_itself = known.get(("queue_full", queue)) or any(known.get(("service_held", service)) for service in needs)
    return (
        ("queue_permits", queue) in known
        or bool(known.get(("queue_held_by_person", queue)))
        or bool(by_itself and not known.get(("queue_released_by_person", queue)))
    )
