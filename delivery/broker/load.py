"""How much waits on queues, and how much is in flight: read in two steps of Redis that look at few messages.

What is in flight is counted by the delivery tags, which end with the queue's name: no message is read for it. Of what
waits, the next messages of each list are read, for the time that they were sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..keys import Keys
from ..lua import script
from ..timestamps import parse_timestamp
from .unacked import name_in_tag

_FLEET, _WAITING = script("fleet"), script("waiting")
_MOST_TAGS = 10_000  # a step of a few milliseconds: Redis does nothing else meanwhile
_NEXT, _NEXT_BYTES = 3, 64 * 2**10  # messages of each list that are read, and after how many bytes no further one is


@dataclass(frozen=True)
class Waiting:
    """What waits on a queue.

    `permits` is how many messages may be taken now, None for any number. `since` is when the oldest of the messages
    that were looked at was sent, or was due after its countdown; `undated` of them do not say when they were sent.
    """

    messages: int
    permits: int | None
    since: float | None
    undated: int


@dataclass(frozen=True)
class Fleet:
    """The workers that are there, and the messages that they have in flight: of each queue, and of none that is known.

    `abandoned` messages are in flight with workers that are gone; `scheduled` ones wait for a countdown.
    """

    workers: int
    in_flight: Mapping[str, int]
    unknown: int
    abandoned: int
    scheduled: int


def ask_fleet(pipe: Any, keys: Keys, queues: Sequence[str], visibility_timeout_secs: float) -> None:
    """Add to a pipeline what `read_fleet` understands the reply of."""
    names = [name_in_tag(queue) for queue in queues]
    arguments = [visibility_timeout_secs, _MOST_TAGS, *names]
    pipe.eval(_FLEET, 2, keys.workers, keys.unacked_index, *arguments)


def read_fleet(reply: Sequence[int], queues: Sequence[str]) -> Fleet:
    """Read the reply to `ask_fleet`."""
    workers, abandoned, scheduled, unknown, *in_flight = reply
    return Fleet(workers, dict(zip(queues, in_flight, strict=True)), unknown, abandoned, scheduled)


def ask_waiting(pipe: Any, keys: Keys, lists: Mapping[str, Sequence[str]], sent_at: str) -> None:
    """Add to a pipeline what `read_waiting` understands the reply of; `sent_at` is the header to look for.

    `lists` are the Redis lists of each queue, equally many.
    """
    names = [name for queue, own in lists.items() for name in (keys.permits(queue), *own)]
    each = len(next(iter(lists.values()), ()))
    pipe.eval(_WAITING, len(names), *names, each, _NEXT, _NEXT_BYTES, sent_at)


def read_waiting(reply: Sequence[Any], queues: Iterable[str]) -> dict[str, Waiting]:
    """Read the reply to `ask_waiting`; a queue whose keys hold data of another kind is left out."""
    return {queue: _waiting(*found) for queue, found in zip(queues, reply, strict=True) if isinstance(found, list)}


def _waiting(permits: bytes | None, messages: int, said: bytes) -> Waiting:
    times = [_since(*line.split(" ", 1)) for line in said.decode(errors="replace").splitlines()]
    known = [since for since in times if since is not None]
    limit = None if permits is None else max(0, _number(permits))
    return Waiting(messages, limit, min(known, default=None), len(times) - len(known))


def _since(sent_at: str, eta: str) -> float | None:
    """Since when a message waits: since it was sent, or since its countdown is over; None if it does not say."""
    try:
        sent = float(sent_at)
        return max(sent, parse_timestamp(eta).timestamp()) if eta else sent
    except (ValueError, OverflowError):
        return None


def _number(permits: bytes) -> int:
    return int(permits) if permits.removeprefix(b"-").isdigit() else 0
