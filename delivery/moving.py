"""Moves what waits under old names to the names of today, on the same server or another one; nothing of it is lost.

Redis moves nothing between servers in one step. So messages go in slices, each in three steps:

1. At the source, a slice leaves its key for a list of its own (`Keys.moving`), behind a name that is made for it.
2. At the target, its messages are added and its name is noted (`Keys.moved`), in one step, unless that name is there.
3. At the source, the list is deleted, if it still holds the slice of that name.

Killed after the first step, the next move begins with the slice that is there; killed after the second one, too, and
the target knows its name for a day, so nothing comes twice. Two that move at the same time send the same slice, and
the later of them changes nothing. Beyond that day a message may come twice: it is the same task under the same id.

Records (dead letters, holds, sweeps) are copied, where the target does not have them, and then deleted: to do that
again changes nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from .broker.unacked import PARKED, SLICE, SLICE_BYTES
from .connections.address import restore_credentials, with_checked_tls, with_hash_tag
from .connections.connection import connect
from .dead_letters.store import DeadLetters
from .held_queues.holds import HoldStore
from .keys import Keys
from .lua import script
from .queues import lists_of, queues_of
from .settings import Installed

_CLAIM, _CLAIM_IN_FLIGHT = script("claim_messages"), script("claim_in_flight")
_ADD, _ADD_IN_FLIGHT = script("add_messages"), script("add_in_flight")
_FORGET = script("forget_slice")
_KNOWN_SECS = 86_400
_SCANNED = 500
_TURN_SECS = 0.5
_TIMEOUT_SECS = 30
_IN_FLIGHT_PARTS = 3  # of one message: tag, time, note


@dataclass(frozen=True)
class Side:
    """One end of a move: its broker, the Redis of its state, and what stands before the name of every key there."""

    broker: Any
    state: Any
    key_prefix: str
    unprefixed_keys: Keys

    @property
    def keys(self) -> Keys:
        """The names of delivery's keys there."""
        return self.unprefixed_keys.under(self.key_prefix)

    @property
    def letters(self) -> DeadLetters:
        """The dead letters there; nothing is dropped here."""
        return DeadLetters(self.state, self.keys)

    @property
    def holds(self) -> HoldStore:
        """What is held there."""
        return HoldStore(self.state, self.keys, self.broker)

    def workers(self) -> int:
        """How many workers are there. One at least while one turns held queues: older releases note no more."""
        seconds, _ = self.broker.time()
        return self.broker.zcount(self.keys.workers, seconds, "+inf") or self.state.exists(self.keys.leader)


@dataclass(frozen=True)
class Move:
    """Moves from one side to another; every method may raise redis.RedisError, and can be repeated then.

    What moves some items at a time yields how many.
    """

    source: Side
    target: Side

    def messages(self, name: str) -> Iterator[int]:
        """Move the messages of one of a queue's lists, the oldest first, broken ones as they are."""
        moving = self.source.keys.moving(name)
        while found := self._claim(_CLAIM, [f"{self.source.key_prefix}{name}", moving], [SLICE, SLICE_BYTES]):
            yield self._bring(found, moving, _ADD, [f"{self.target.key_prefix}{name}"])

    def in_flight(self, timeout_secs: float) -> Iterator[int]:
        """Move the in-flight messages that no living worker has: countdowns, and what has not been renewed for so long.

        At the target they are in flight, too, until their time is over: then a worker there puts them on their queues,
        and counts a lost worker for those that a worker had.
        """
        yield from self._bring_in_flight(timeout_secs, [])  # what an earlier move has left
        cursor = -1
        while cursor:
            cursor, page = self.source.broker.zscan(self.source.keys.unacked_index, max(cursor, 0), count=_SCANNED)
            yield from self._bring_in_flight(timeout_secs, [tag for tag, _ in page])

    def _bring_in_flight(self, timeout_secs: float, tags: list[bytes]) -> Iterator[int]:
        source, target = self.source.keys, self.target.keys
        moving = source.moving(source.unacked)
        keys, given = [source.unacked_index, source.unacked, moving], [timeout_secs, SLICE_BYTES, PARKED, *tags]
        while found := self._claim(_CLAIM_IN_FLIGHT, keys, given):
            places = [target.unacked_index, target.unacked]
            yield self._bring(found, moving, _ADD_IN_FLIGHT, places) // _IN_FLIGHT_PARTS

    def _claim(self, text: str, keys: list[str], arguments: list[Any]) -> list[bytes]:
        return self.source.broker.register_script(text)(keys=keys, args=[str(uuid4()), *arguments])

    def _bring(self, found: list[bytes], moving: str, add: str, places: list[str]) -> int:
        name, *items = found
        keys = [self.target.keys.moved, *places]
        self.target.broker.register_script(add)(keys=keys, args=[name, _KNOWN_SECS, *items])
        self.source.broker.register_script(_FORGET)(keys=[moving], args=[name])
        return len(items)

    def letters(self) -> Iterator[int]:
        """Move the dead letters with their groups, and what is known of those that were dropped."""
        yield from self.target.letters.take_over(self.source.letters)
        for pot in (self.source.unprefixed_keys.failures, self.source.unprefixed_keys.quarantine):
            self.record(pot.gave_way)
            self.record(pot.gave_way_at)

    def decisions(self) -> None:
        """Let what people decided about queues count at the target, before its messages come, and no longer here.

        The record moves as others do.
        """
        known = self.target.holds.by_hand()
        for queue, decided in self.source.holds.by_hand().items():
            self.target.holds.obey(known.get(queue, decided))
            self.source.broker.delete(self.source.keys.permits(queue))

    def record(self, name: str) -> bool:
        """Move one key of the state, given without prefix; what the target has of it stays. False if it is not there.

        Nobody else may write it meanwhile.
        """
        old, new = f"{self.source.key_prefix}{name}", f"{self.target.key_prefix}{name}"
        kind = self.source.state.type(old).decode()
        if kind not in _COPIES:
            return False
        left_ms = self.source.state.pttl(old)
        for copied in _COPIES[kind](self.source.state, old):
            with self.target.state.pipeline(transaction=False) as pipe:
                copied(pipe, new)
                if left_ms > 0:
                    pipe.pexpire(new, left_ms)
                pipe.execute()
        self.source.state.unlink(old)
        return True


class OldNames:
    """Brings over what arrives under the names before a change of the prefix: producers of yesterday push there.

    Workers of yesterday take from there, too, and keep what they have in flight. Countdowns come at once; what is in
    flight comes when nobody has renewed it for the visibility timeout.
    """

    def __init__(self, move: Move, lists: list[str], timeout_secs: float) -> None:
        self._move, self._lists, self._timeout_secs = move, lists, timeout_secs
        source = move.source
        self._keys = [f"{source.key_prefix}{name}" for name in lists]
        self._keys += [source.keys.moving(name) for name in (*lists, source.keys.unacked)]
        self._keys += [source.keys.unacked_index]

    def turn(self) -> None:
        """Bring over what is there, for half a second at most."""
        if not self._move.source.broker.exists(*self._keys):
            return
        until = time.monotonic() + _TURN_SECS
        for moving in (*map(self._move.messages, self._lists), self._move.in_flight(self._timeout_secs)):
            for _ in moving:
                if time.monotonic() > until:
                    return


_Copied = Callable[[Any, str], object]


def _string(redis: Any, name: str) -> Iterator[_Copied]:
    value = redis.get(name)
    if value is not None:
        yield lambda pipe, new: pipe.set(new, value, nx=True)


def _hash(redis: Any, name: str) -> Iterator[_Copied]:
    for some in _pages(redis.hscan, name):
        yield lambda pipe, new, some=some: [pipe.hsetnx(new, field, value) for field, value in some.items()]


def _set(redis: Any, name: str) -> Iterator[_Copied]:
    for some in _pages(redis.sscan, name):
        yield lambda pipe, new, some=some: pipe.sadd(new, *some)


def _sorted_set(redis: Any, name: str) -> Iterator[_Copied]:
    for some in _pages(redis.zscan, name):
        yield lambda pipe, new, some=some: pipe.zadd(new, dict(some), nx=True)


_COPIES: Mapping[str, Callable[[Any, str], Iterator[_Copied]]] = {
    "string": _string,
    "hash": _hash,
    "set": _set,
    "zset": _sorted_set,
}


def _pages(scan: Callable[..., Any], name: str) -> Iterator[Any]:
    cursor = -1
    while cursor:
        cursor, page = scan(name, max(cursor, 0), count=_SCANNED)
        if page:
            yield page


def old_names(found: Installed, app: Any) -> OldNames | None:
    """What brings over what arrives under an app's old names; None if it has none."""
    if found.key_prefix_old is None:
        return None
    source, target = (side_of(found, prefix) for prefix in (found.key_prefix_old, found.key_prefix))
    lists = [name for queue in queues_of(app, found.needs) for name in lists_of(app, queue)]
    return OldNames(Move(source, target), lists, found.visibility_timeout_secs)


def side_of(found: Installed, key_prefix: str, url: str = "") -> Side:
    """A side of an app's move: its servers, or the one at another address, and a prefix.

    Raises: ValueError for a cluster and a prefix without hash tag.
    """
    known = [url or restore_credentials(own) for own in (found.url, found.state_url)]
    urls = [with_checked_tls(with_hash_tag(one, key_prefix)) for one in known]
    broker, state = (connect(one, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS) for one in urls)
    return Side(broker, state, key_prefix, found.unprefixed_keys)
