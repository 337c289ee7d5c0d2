"""Taking messages: a worker's loop looks for them while it is idle, and takes each in one step that notes it.

Plain kombu trusts each list item: one that is not JSON, or lacks a part, raises in the worker's loop and ends the
worker. Here such an item is quarantined, and the worker goes on.
"""

import logging
import time
from collections.abc import Iterable
from hashlib import sha1
from queue import Empty
from typing import Any, ClassVar
from uuid import uuid4

from redis.exceptions import NoScriptError, RedisError

from ..connections.replies import summary_of
from ..messages.envelope import Malformed, read_envelope
from ..messages.message import WHOLE_UP_TO, refuse_large
from .pace import Pace
from .sending import Sender
from .unacked import TAKE, name_in_tag

logger = logging.getLogger(__name__)

_BROKEN_KEY = -1  # what `TAKE` returns in the place of a queue
_SAY_AGAIN_SECS = 60.0
_TRY_SECS, _TRIES_PER_SEC = 2.5, 10.0  # how often a server that became a replica is found out, of all workers together
_TAKE_DIGEST = sha1(TAKE.encode()).hexdigest()  # noqa: S324  the name that Redis gives to a script


class Taker(Sender):
    """The part of a channel that takes."""

    takes: ClassVar[bool] = True  # of this process; False once the worker is stopping
    pace: ClassVar[Pace] = Pace()
    taken = ""  # the delivery tag that the take script gives, or gave, to its message
    _permitted = False  # whether that message used up a permit
    _is_idle = False  # no message was there: one command looks whether any has come
    _was_idle = False  # when it looked and there was one
    _tried_at = 0.0  # when Redis was asked last to write
    _sent = ""  # the command whose reply is awaited
    _take_is_known = True  # to Redis, by its digest

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: list[tuple[str, str]] = []
        self._said_broken: dict[str, float] = {}

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for a message; in a worker's loop by a script that also notes it as in-flight.

        BRPOP would move the message from its queue into this process's memory only: a crash there would lose it.
        """
        if not self.connection.in_loop:
            super()._brpop_start(timeout)
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues or not self.takes or not self.pace.may_look:
            return
        # Of the first priority alone, where it only looks: a take finds them all.
        steps = self.priority_steps if self.pace.looks_wide or not self._is_idle else self.priority_steps[:1]
        self._asked = [(queue, self._q_for_pri(queue, step)) for step in steps for queue in queues]
        self._in_poll, self._brpop_sent_at = self.client.connection, time.monotonic()
        lists = [key for _, key in self._asked]
        self.pace.looks()
        self._sent, *arguments = self._look(lists) if self._is_idle else self._take(lists)
        self._in_poll.send_command(self._sent, *arguments)

    def _look(self, lists: list[str]) -> list[str]:
        """Return the command that says whether messages wait, or now and then one that a replica refuses."""
        if time.monotonic() - self._tried_at < self.pace.every(_TRY_SECS, _TRIES_PER_SEC):
            return ["EXISTS", *self.prefixed(lists)]
        self._tried_at = time.monotonic()
        return ["DEL", *self.prefixed([self.keys.nothing])]

    def doubt(self) -> None:
        """Find out at once whether this server still takes messages."""
        self._tried_at = 0.0
        self.pace.wake()

    def _take(self, lists: list[str]) -> list[Any]:
        """Return the command that takes a message; it wakes the other workers if this one was idle and more wait."""
        self._tried_at, permits = time.monotonic(), [self.keys.permits(queue) for queue, _ in self._asked]
        keys = self.prefixed([self.unacked_index_key, self.unacked_key, *lists, *permits, self.keys.woken])
        self.taken = str(uuid4())
        noted = [f',"","{name_in_tag(queue)}"]' for queue, _ in self._asked]
        wakes = self.global_keyprefix + self._wake_channel if self._was_idle and self.pace.workers > 1 else ""
        script = ("EVALSHA", _TAKE_DIGEST) if self._take_is_known else ("EVAL", TAKE)
        return [*script, len(keys), *keys, self.taken, *noted, wakes]

    def prefixed(self, names: Iterable[str]) -> list[str]:
        return [self.global_keyprefix + name for name in names]

    def _brpop_read(self, **options: Any) -> bool:
        """Read the response and deliver its message, or quarantine it."""
        try:
            queue, item = self._popped(**options)
            self._queue_cycle.rotate(queue)
            envelope = self._opened(item, queue, self.taken)
            if envelope is not None:
                self._deliver(envelope, queue, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _deliver(self, envelope: dict[str, Any], queue: str, item: bytes) -> None:
        try:
            self.connection._deliver(envelope, queue)
        except (RedisError, OSError):
            if self.taken:
                raise
            self.qos.strand(envelope["properties"]["delivery_tag"], queue, item)
            raise

    def _popped(self, **options: Any) -> tuple[str, bytes]:
        command = self._sent if self.connection.in_loop else "BRPOP"
        response = self._response(command, **options)
        if command == "DEL":  # now it looks
            self.pace.look_wide()
            raise Empty
        if command == "EXISTS" and response:
            self._is_idle, self._was_idle = False, True
            raise Empty
        if not response:
            self._is_idle = True
            self.pace.found_nothing()
            raise Empty
        key, item, *permits = response
        if key == _BROKEN_KEY:
            self._say_broken(as_text(item))
            raise Empty
        self._was_idle, self._permitted = False, permits == [1]
        if command == "BRPOP":
            self.pace.found()
            return as_text(key).rsplit(self.sep, 1)[0], as_bytes(item)
        queue, taken_from = self._asked[key]
        self.pace.found(first_priority=taken_from == self._q_for_pri(queue, self.priority_steps[0]))
        self.taken = f"{self.taken}:{name_in_tag(queue)}"
        return queue, as_bytes(item)

    def _response(self, command: str, **options: Any) -> Any:
        """Read the response to a command that asks for messages."""
        try:
            found = self.client.parse_response(self.client.connection, command, **options)
        except NoScriptError:  # the server is another one, or was started again
            self._take_is_known = False
            raise Empty from None
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        self._take_is_known = True
        return found

    def _say_broken(self, key: str) -> None:
        """Say once a minute that a key keeps messages back, and look again after a second."""
        self.pace.pause(1.0)
        if time.monotonic() >= self._said_broken.get(key, 0.0):
            self._said_broken[key] = time.monotonic() + _SAY_AGAIN_SECS
            logger.error(
                "The Redis key %s holds data of another kind, so no message can be taken past it. Look at it (TYPE), "
                "then delete it or rename it",
                key,
            )

    def _get(self, queue: str) -> Any:
        """Return the next valid message of a queue, and quarantine broken ones before it."""
        with self.conn_or_acquire() as client:
            for priority in self.priority_steps:
                while item := client.rpop(self._q_for_pri(queue, priority)):
                    envelope = self._opened(item, queue)
                    if envelope is not None:
                        self._maybe_update_queues_expire(client, queue)
                        return envelope
            self._maybe_update_queues_expire(client, queue)
            raise Empty

    def _opened(self, item: bytes, queue: str, taken: str = "") -> dict[str, Any] | None:
        try:
            refuse_large(item, WHOLE_UP_TO * self.message_max_bytes)
            envelope = read_envelope(item)
        except Malformed as error:
            self._set_aside(item, queue, error.part, taken)
            return None
        # Two copies of one item would share a delivery tag, and one acknowledgement would end both.
        envelope["properties"]["delivery_tag"] = taken or str(uuid4())
        # A retry is sent to this routing key: use the queue the message came from, whatever its sender wrote.
        facts = {"exchange": "", "routing_key": queue, "permitted": bool(taken) and self._permitted}
        envelope["properties"]["delivery_info"].update(facts)
        return envelope

    def _set_aside(self, item: bytes, queue: str, part: str, taken: str) -> None:
        try:
            self.quarantine.set_aside(item, queue, part)
            if taken:
                self.qos.forget(taken)
        except RedisError as away:
            logger.error("Broken message on %s could not be set aside (%s)", queue, summary_of(away))
            if taken:  # it is in-flight and nobody renews it: whoever restores it tries again
                return
            # Only this process has the item: put it back at the end of the queue, at most once a second.
            with self.conn_or_acquire() as client:
                client.lpush(queue, item)
            time.sleep(1)


def as_bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def as_text(key: bytes | str) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key
