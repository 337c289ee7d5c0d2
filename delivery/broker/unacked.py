"""The in-flight (unacknowledged) messages: stamped, renewed and restored by the clock of Redis.

Plain kombu uses each worker's own clock: workers whose clocks differ restart each other's running tasks.
"""

import contextlib
import json
import logging
import random
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, ClassVar
from uuid import uuid4

from kombu.transport import redis as plain
from kombu.utils.json import dumps
from redis.exceptions import RedisError, ResponseError

from ..connections.replies import summary_of
from ..lua import script

logger = logging.getLogger(__name__)

_PlainQoS: Any = plain.QoS  # what is overridden here is not in the stubs

_STAMP = script("stamp")
TAKE = script("take")
_RENEW = script("renew")
PERMIT = script("permit")
PRESENT = script("present")
_PARK = script("park")
_NOTES = script("notes")
_ABANDONED = script("abandoned")
_TAKE_BACK = script("take_back")
_HAND_BACK = script("hand_back")

SLICE = 500  # messages in one step: Redis does nothing else meanwhile
SLICE_BYTES = 8 * 2**20  # of them in this process's memory, or one larger message
_MOST_TURNS = 100  # among so many workers one puts back what was abandoned
PARKED = "parked:"  # begins the delivery tag of a message that waits in Redis; its task's id follows
_ODD, _ESCAPED = re.compile(r"([*?\[\]\\^-])"), r"\\\1"  # characters that mean something in a pattern of Redis


class QoS(_PlainQoS):
    """kombu's record of the messages that were delivered here and are not yet acknowledged."""

    channel: Any
    # Class variables: they outlive a lost connection.
    _owed: ClassVar[set[str]] = set()
    _stranded: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message as in-flight; the script `TAKE` has already noted what it took."""
        if delivery_tag == self.channel.taken:
            super(_PlainQoS, self).append(message, delivery_tag)
            return
        delivery = message.delivery_info
        kept = dumps([message._raw, delivery.get("exchange"), delivery.get("routing_key")])
        self._run(_STAMP, [self.unacked_index_key, self.unacked_key], [delivery_tag, kept])
        super(_PlainQoS, self).append(message, delivery_tag)

    def renew(self, tags: set[str]) -> None:
        """Renew the leases of messages; one that was acknowledged or restored meanwhile stays so."""
        for some in _slices(sorted(tags)):
            self._run(_RENEW, [self.unacked_index_key], some)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; if Redis cannot be reached, `settle` acknowledges it later."""
        try:
            super().ack(delivery_tag)
        except ResponseError as error:  # a broken key, or Redis is full
            logger.warning("A message could not be acknowledged yet (%s)", summary_of(error))
            self._owed.add(delivery_tag)
            self._quick_ack(delivery_tag)
        except (RedisError, OSError):
            self._owed.add(delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Put a message back on its queue; if Redis refuses (it is full), the visibility timeout brings it back."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except ResponseError as error:
            logger.warning("A message could not be put back at once (%s)", summary_of(error))
            self.abandon(delivery_tag)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """Put one message back on its queue: behind the others with `leftmost`, else before them."""
        self._hand_back([tag], "LPUSH" if leftmost else "RPUSH")

    def restore_unacked(self, client: Any = None) -> None:
        """Put back on their queues all messages that are in-flight here: the worker stops."""
        try:
            for tags in _slices(list(self._delivered)):
                self._hand_back(tags, "RPUSH")
        except ResponseError as error:  # the visibility timeout brings them back
            logger.warning("Messages could not be put back at once (%s)", summary_of(error))
        self._delivered.clear()

    def _hand_back(self, tags: list[str], push: str) -> None:
        # No transaction of redis-py: where a server refuses to write, it would try again for ever.
        prefix = self.channel.global_keyprefix
        for kept in self._noted(tags):
            found = [(tag, *self.channel.to_return(item, started=self._started(tag))) for tag, item in kept if item]
            with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
                for tag, queues, payload in found:
                    keys = [prefix + key for key in (self.unacked_index_key, self.unacked_key, *queues)]
                    pipe.eval(_HAND_BACK, len(keys), *keys, tag, payload, push)
                pipe.execute()

    def _started(self, tag: str) -> bool:
        return getattr(self._delivered.get(tag), "started", False)

    def forget(self, delivery_tag: str) -> None:
        """Remove a message that is stored elsewhere now from the in-flight messages."""
        self._remove_from_indices(delivery_tag).execute()

    def strand(self, delivery_tag: str, key: str, item: bytes) -> None:
        """Remember an item that left its queue and could not be noted as in-flight; `settle` puts it back."""
        self._stranded[delivery_tag] = (key, item)

    def settle(self) -> None:
        """Repeat what a lost connection prevented, before another worker restores these messages."""
        for tag in list(self._owed):
            self._remove_from_indices(tag).execute()
            self._quick_ack(tag)
            self._owed.discard(tag)
        for tag, (key, item) in list(self._stranded.items()):
            noted_in = self.channel.global_keyprefix + self.unacked_key
            with self.channel.conn_or_acquire() as client:
                if not client.hexists(noted_in, tag):  # else only the response was lost
                    client.rpush(key, item)
            self._stranded.pop(tag, None)

    def abandon(self, delivery_tag: str) -> None:
        """Stop renewing a message without acknowledging it: it is redelivered after the visibility timeout."""
        self._quick_ack(delivery_tag)

    def park(self, delivery_tag: str, task_id: str, secs: float) -> None:
        """Let a message wait in Redis for so long; then any worker puts it back on its queue."""
        keys = [self.unacked_index_key, self.unacked_key]
        self._run(_PARK, keys, [delivery_tag, f"{PARKED}{task_id}:{uuid4()}", self.visibility_timeout, secs])
        self._quick_ack(delivery_tag)

    def parked(self, most: int, task_id: str = "") -> Iterator[bytes]:
        """What is noted of the messages that wait in Redis, of a task or of all; those that come next first."""
        tags = [tag for tag, _ in sorted(self._parked_tags(task_id), key=itemgetter(1))]
        for kept in self._noted(tags[:most]):
            yield from (noted for _, noted in kept if noted)

    def hurry(self, task_id: str) -> None:
        """End a task's wait in Redis: within seconds a worker puts it back on its queue."""
        for tag, _ in self._parked_tags(task_id):
            with self.channel.conn_or_acquire() as client:
                client.zadd(self.unacked_index_key, {tag: 0}, xx=True)

    def _parked_tags(self, task_id: str) -> Iterator[tuple[str, float]]:
        index = self.channel.global_keyprefix + self.unacked_index_key  # ZSCAN is a command that kombu does not prefix
        wanted = f"{PARKED}{_ODD.sub(_ESCAPED, task_id)}:*" if task_id else f"{PARKED}*"
        with self.channel.conn_or_acquire() as client:
            for tag, due in client.zscan_iter(index, match=wanted, count=1000):
                yield tag.decode(), due

    def in_flight(self) -> int:
        """Return the number of messages that this channel holds."""
        return len(self._delivered) - len(self._dirty)

    def in_flight_tags(self) -> set[str]:
        """Return the delivery tags that are neither acknowledged nor abandoned; any thread may call this."""
        for _ in range(100):
            with contextlib.suppress(RuntimeError):  # changed during the copy
                return set(self._delivered) - set(self._dirty)
        return set()

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:
        """Put messages back on their queues that nobody renewed within the visibility timeout.

        Every `interval` calls one worker of the fleet does so; at once if it is 0.
        """
        # By chance, not by count: after a failover all workers begin to count at once.
        if interval and random.random() * interval * min(self.channel.pace.workers, _MOST_TURNS) >= 1:
            return
        try:
            with self.channel.conn_or_acquire() as client:
                if not client.exists(self.channel.global_keyprefix + self.unacked_index_key):
                    return
            found = self._run(_ABANDONED, [self.unacked_index_key], [self.visibility_timeout, num or 1000])
            for tags in _slices([tag.decode() if isinstance(tag, bytes) else tag for tag in found]):
                self._take_back(tags)
        except ResponseError as error:  # a broken key: whoever takes messages names it
            logger.warning("Abandoned messages were not put back (%s)", summary_of(error))

    def _take_back(self, tags: list[str]) -> None:
        prefix = self.channel.global_keyprefix
        for kept in self._noted(tags):
            with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
                for tag, queues, payload in self._to_restore(kept):
                    keys = [prefix + key for key in (self.unacked_index_key, self.unacked_key, *queues)]
                    pipe.eval(_TAKE_BACK, len(keys), *keys, tag, self.visibility_timeout, payload)
                for error in filter(_is_error, pipe.execute(raise_on_error=False)):
                    logger.warning("A message could not be put back (%s)", summary_of(error))

    def _to_restore(self, kept: Iterable[tuple[str, bytes | None]]) -> Iterator[tuple[str, list[str], bytes]]:
        for tag, noted in kept:
            try:
                destination = self.channel.to_return if tag.startswith(PARKED) else self.channel.to_restore
                queues, payload = destination(noted) if noted else ([], b"")
                yield tag, queues, payload
            except Exception as error:  # noqa: BLE001  whatever is wrong with one message, the others go back
                logger.warning("A message could not be put back (%s)", summary_of(error))

    def _noted(self, tags: list[str]) -> Iterator[list[tuple[str, bytes | None]]]:
        """What is noted of messages, each with its tag, in slices that fit in memory however large a message is."""
        while tags:
            found = self._run(_NOTES, [self.unacked_key], [SLICE_BYTES, *tags[:SLICE]])
            yield list(zip(tags, found, strict=False))
            tags = tags[len(found) :]

    def _run(self, script: str, keys: list[str], args: list[Any]) -> Any:
        # A prefixed client prefixes the first key of EVALSHA and no other key of a script, nor any of EVAL.
        prefix = self.channel.global_keyprefix
        keys = [keys[0], *(prefix + key for key in keys[1:])]
        with self.channel.conn_or_acquire() as client:
            return client.register_script(script)(keys=keys, args=args)


def name_in_tag(queue: str) -> str:
    """A queue's name as it ends the delivery tag of a message that was taken from it: as in JSON."""
    return json.dumps(queue)[1:-1]


def _is_error(response: Any) -> bool:
    return isinstance(response, RedisError)


def _slices(tags: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(tags), SLICE):
        yield tags[start : start + SLICE]
