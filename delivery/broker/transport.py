"""kombu's Redis transport, which takes a message and notes it as in-flight in one step, and survives broken ones.

Plain kombu trusts each list item: one that is not JSON, or lacks a part, raises in the worker's loop and ends the
worker. This transport quarantines such an item, and the worker goes on.
"""

import contextlib
import logging
import math
import time
from collections.abc import Generator, Iterable, Mapping
from functools import cached_property, partial
from hashlib import sha1
from queue import Empty
from typing import Any, ClassVar, cast
from uuid import uuid4

import kombu
import kombu.transport
import orjson
from kombu.transport import redis as plain
from kombu.utils.json import dumps
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ..bounds import Bounds
from ..connections.address import FOUND, server_url, shown, veiled, whole
from ..connections.connection import client_of, made
from ..connections.places import Place, place_of
from ..connections.replicas import write
from ..connections.replies import State, spoken, state_of
from ..dead_letters.store import DeadLetters, dead_letters_at
from ..keys import DEFAULT_PREFIX, Keys
from ..messages.envelope import Malformed, read_envelope
from ..messages.message import MESSAGE_MAX_BYTES, WHOLE_UP_TO, Message, body_of, refuse_large, refuse_unfit
from .pace import Pace
from .permits import set_permits
from .quarantine import Abandoned, Quarantine, uncounted
from .unacked import PERMIT, PRESENT, TAKE, QoS, name_in_tag

logger = logging.getLogger(__name__)

# What is overridden here is not in the stubs.
_PlainChannel: Any = plain.Channel
_PlainTransport: Any = plain.Transport

ALIAS = "delivery-"  # begins the scheme of an address that kombu must leave to us
PATHS = {
    "redis": f"{__name__}:Transport",
    "rediss": f"{__name__}:TlsTransport",
}
kombu.transport.TRANSPORT_ALIASES.update({f"{ALIAS}{scheme}": path for scheme, path in PATHS.items()})
# The log and Flower show a connection's address by the transport's name: keep the usual one.
kombu.Connection.resolve_aliases.update({path: scheme for scheme, path in PATHS.items()})

_BROKEN_KEY = -1  # what `TAKE` returns in the place of a queue
_SAY_AGAIN_SECS = 60.0
_TRY_SECS, _TRIES_PER_SEC = 2.5, 20.0  # how often a server that became a replica is found out, of all workers together
_TURN_SECS = 0.05  # between two turns of an idle worker's loop
_TAKE_DIGEST = sha1(TAKE.encode()).hexdigest()  # noqa: S324  the name that Redis gives to a script


class Channel(_PlainChannel):
    """A channel that quarantines broken messages, and through which tasks can be acknowledged after it is closed."""

    QoS = QoS
    Message = Message
    message_max_bytes = MESSAGE_MAX_BYTES
    takes: ClassVar[bool] = True  # of this process; False once the worker is stopping
    leads: ClassVar[bool] = False  # whether this process does the leader's work
    dead_letters_url: str | None = None
    dead_letters_bounds: Mapping[str, Any] | None = None
    delivery_prefix = DEFAULT_PREFIX
    min_replicas = 0  # that must have a task, or a dead letter, before it counts as sent or kept
    taken = ""  # the delivery tag that the take script gives, or gave, to its message
    _permitted = False  # whether that message used up a permit
    pace: ClassVar[Pace] = Pace()
    _is_idle = False  # no message was there: one command looks whether any has come
    _was_idle = False  # when it looked and there was one
    _tried_at = 0.0  # when Redis was asked last to write
    _sent = ""  # the command whose reply is awaited
    _take_is_known = True  # to Redis, by its digest
    _kept_client: Any = None
    from_transport_options: ClassVar[tuple[str, ...]] = (
        *plain.Channel.from_transport_options,
        "dead_letters_url",
        "dead_letters_bounds",
        "delivery_prefix",
        "min_replicas",
        "message_max_bytes",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: list[tuple[str, str]] = []
        self._said_broken: dict[str, float] = {}
        self._late_pool: Any = self._get_pool()  # opens nothing until it is used

    @cached_property
    def keys(self) -> Keys:
        """The names of this app's keys in Redis; the channel's clients add `global_keyprefix`."""
        return Keys(self.delivery_prefix, self.unacked_key)

    @property
    def dead_letters(self) -> DeadLetters:
        """The store for this channel's broken messages."""
        given = self.dead_letters_bounds
        bounds = Bounds(**cast(Any, {**given, "names": tuple(given["names"])})) if given else None
        if self.dead_letters_url:
            keys = self.keys.under(self.global_keyprefix)
            return dead_letters_at(self.dead_letters_url, keys, bounds, self.min_replicas)
        return DeadLetters(client_of(self._late_pool), self.keys.under(self.global_keyprefix), bounds)

    @property
    def quarantine(self) -> Quarantine:
        """Where this channel sets broken messages aside."""
        return Quarantine(self.dead_letters, self.message_max_bytes)

    @contextlib.contextmanager
    def conn_or_acquire(self, client: Any = None) -> Generator[Any]:
        """Return a client; a closed channel has one, too, because a task that ends later is acknowledged through it."""
        if client or not self._closing:
            yield client or self._create_client()
            return
        try:
            yield self._late_client()
        finally:
            self._leave()

    def close(self) -> None:
        """Close the connections; who needs one later opens it for that alone."""
        super().close()
        self._leave()

    def _leave(self) -> None:
        self._late_pool.disconnect(inuse_connections=False)  # a thread may still use one

    def _connparams(self, asynchronous: bool = False) -> Any:
        with self.connection.as_server() as place:
            found = super()._connparams(asynchronous=asynchronous)
        return {**found, "connection_class": made(found["connection_class"]), "place": place}

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return the one client of the pool; kombu makes one for each command, a third of the cost of sending."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept_client is None or self._kept_client.connection_pool is not self.pool:
            self._kept_client = super()._create_client()
        return self._kept_client

    def prepare_message(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a message to send.

        Raises: UnfitMessage for one that every worker would set aside.
        """
        message = super().prepare_message(*args, **options)
        message["headers"] = uncounted(message["headers"])
        refuse_unfit(message["body"], message["headers"], self.message_max_bytes)
        return message

    def create_publish_batch(self, max_size: int) -> Any:
        """Return what collects messages; replicas are waited for at its end, and each time that it is full.

        It raises BatchPublishError, whose cause is a DeliveryUncertain if too few replicas confirmed.
        """
        batch = super().create_publish_batch(max_size)
        if self.min_replicas:
            batch.pipeline.execute = partial(write, batch.pipeline, self.min_replicas)
        return batch

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Put a message on its queue; a task counts as sent once enough replicas have it.

        Raises: DeliveryUncertain.
        """
        task_id = _task_id(message)
        if not self.min_replicas or task_id is None or options.get("_publish_batch") is not None:
            self._push(queue, message, **options)
            return
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            self._push(queue, message, **options, _publish_batch=_Commands(pipe))
            write(pipe, self.min_replicas, [task_id])

    def _push(self, queue: str, message: Any, **options: Any) -> None:
        """Push a message; leave to kombu what orjson cannot write, and queues that expire."""
        item = None if queue in (self._expires or ()) else _fast_json(message)
        if item is None:
            super()._put(queue, message, **options)
            return
        key, batch = (
            self._q_for_pri(queue, self._get_message_priority(message, reverse=False)),
            options.get("_publish_batch"),
        )
        if batch is not None:
            batch.add("lpush", key, item)
            return
        with self.conn_or_acquire() as client:
            client.lpush(key, item)

    def _size(self, queue: str) -> int:
        """Return how many messages wait; none, if the queue's key holds data of another type."""
        try:
            return super()._size(queue)
        except ResponseError as error:
            if state_of(error) is not State.CORRUPT_KEY:
                raise
            return 0

    def set_permits(self, queue: str, permits: int | None, *, lasting: bool = False) -> None:
        """Let all workers together take `permits` more messages of a queue; see `permits.py`."""
        set_permits(self._late_client(), self.keys.permits(queue), permits, lasting=lasting)

    def may_start(self, queue: str, permitted: bool) -> bool:
        """Return whether a message of a queue may run now; it needs a permit unless it used one when it was taken."""
        return bool(self._late_client().register_script(PERMIT)(keys=[self.keys.permits(queue)], args=[int(permitted)]))

    def _late_client(self) -> Any:
        return self.Client(connection_pool=self._late_pool)

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
            return ["EXISTS", *self._prefixed(lists)]
        self._tried_at = time.monotonic()
        return ["DEL", *self._prefixed([self.keys.nothing])]

    def doubt(self) -> None:
        """Find out at once whether this server still takes messages."""
        self._tried_at = 0.0
        self.pace.wake()

    def _take(self, lists: list[str]) -> list[Any]:
        """Return the command that takes a message; it wakes the other workers if this one was idle and more wait."""
        self._tried_at, permits = time.monotonic(), [self.keys.permits(queue) for queue, _ in self._asked]
        keys = self._prefixed([self.unacked_index_key, self.unacked_key, *lists, *permits, self.keys.woken])
        self.taken = str(uuid4())
        noted = [f',"","{name_in_tag(queue)}"]' for queue, _ in self._asked]
        wakes = self.global_keyprefix + self._wake_channel if self._was_idle and self.pace.workers > 1 else ""
        script = ("EVALSHA", _TAKE_DIGEST) if self._take_is_known else ("EVAL", TAKE)
        return [*script, len(keys), *keys, self.taken, *noted, wakes]

    def _prefixed(self, names: Iterable[str]) -> list[str]:
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
            self._say_broken(_text(item))
            raise Empty
        self._was_idle, self._permitted = False, permits == [1]
        if command == "BRPOP":
            self.pace.found()
            return _text(key).rsplit(self.sep, 1)[0], _bytes(item)
        queue, taken_from = self._asked[key]
        self.pace.found(first_priority=taken_from == self._q_for_pri(queue, self.priority_steps[0]))
        self.taken = f"{self.taken}:{name_in_tag(queue)}"
        return queue, _bytes(item)

    def _response(self, command: str, **options: Any) -> Any:
        """Read the response to a command that asks for messages."""
        try:
            found = self.client.parse_response(self.client.connection, command, **options)
        except NoScriptError:  # the server is another one, or was started anew
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
            logger.error("Broken message on %s could not be set aside (%s)", queue, spoken(away))
            if taken:  # it is in-flight and nobody renews it: whoever restores it tries again
                return
            # Only this process has the item: put it back at the end of the queue, at most once a second.
            with self.conn_or_acquire() as client:
                client.lpush(queue, item)
            time.sleep(1)

    def to_restore(self, noted: bytes) -> tuple[list[str], bytes]:
        """Return the lists that an abandoned message goes back on (none if it became a dead letter) and its bytes."""
        return self._destination(self.quarantine.restorable(noted))

    def to_return(self, noted: bytes, *, started: bool = False) -> tuple[list[str], bytes]:
        """Return the same of a message that its own worker puts back, or that waited in Redis: no worker was lost."""
        return self._destination(self.quarantine.returnable(noted, started=started))

    def _destination(self, found: Abandoned | None) -> tuple[list[str], bytes]:
        if found is None:
            return [], b""
        priority = self._get_message_priority(found.envelope, reverse=False)
        queues = [self._q_for_pri(queue, priority) for queue in self._lookup(found.exchange, found.routing_key)]
        return queues, dumps(found.envelope).encode()

    def say_present(self, name: str, secs: float, *, tidy: bool) -> tuple[int, int]:
        """Count a worker among the fleet for some seconds; with `tidy`, forget those whose seconds are over.

        Returns how many workers there are, and how many of them consume the same queues as this channel.
        """
        fleet, alike = self._fleets
        script = self._late_client().register_script(PRESENT)
        # A prefixed client prefixes the first key of a script only.
        counts = script(keys=[fleet, *self._prefixed([alike])], args=[name, secs, int(tidy)])
        return int(counts[0]), int(counts[1])

    def say_gone(self, name: str) -> None:
        """Take a worker out of the fleet."""
        for key in self._fleets:
            self._late_client().zrem(key, name)

    @property
    def _fleets(self) -> list[str]:
        return [self.keys.workers, self.keys.alike(self.active_queues)]

    def _subscribe(self) -> None:
        """Listen to broadcasts, and to what wakes idle workers."""
        super()._subscribe()
        if self._in_listen and self.connection.in_loop:
            self.subclient.subscribe(self._wake_channel)

    @property
    def _wake_channel(self) -> str:
        """Beside kombu's own channels: who may listen to those may listen to this one."""
        return f"{self.keyprefix_fanout}{self.keys.wake}"

    def _handle_message(self, client: Any, r: Any) -> Any:
        """Read a broadcast, and drop a broken one, which kombu would log whole or fail on."""
        payload = super()._handle_message(client, r)
        if _text(payload["channel"]).endswith(self.keys.wake):
            self.pace.wake()
            return {**payload, "data": None}
        if _text(payload["type"]).endswith("message") and payload["data"]:
            try:
                body_of(read_envelope(_bytes(payload["data"])), self.message_max_bytes)
            except Malformed:
                logger.error("Broken broadcast dropped (%d bytes)", len(payload["data"]))
                payload["data"] = None
        return payload


class Transport(_PlainTransport):
    """kombu's Redis transport with our channel."""

    Channel = Channel
    in_loop = False

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        prefix = client.uri_prefix or ""
        url = whole(f"{prefix.removeprefix(ALIAS)}+{client.hostname}")
        self._found_by = url if url.startswith(FOUND) else ""
        self.can_parse_url = bool(self._found_by)  # so that kombu lets us show the address

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the address of a server that others know, without its password."""
        return self._found_by if include_password else shown(self._found_by)

    @contextlib.contextmanager
    def as_server(self) -> Generator[Place | None]:
        """Let kombu read the address as if it were a server's; yield who knows where that is, if others do."""
        if not self._found_by:
            yield None
            return
        client, url = self.client, server_url(self._found_by)
        path = PATHS[url.partition("://")[0]]
        self.client = kombu.Connection(url, ssl=client.ssl, transport=path, transport_options=client.transport_options)
        try:
            yield place_of(self._found_by)
        finally:
            self.client = client

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let a worker's loop drive the channels, and turn it every 50 ms to look for messages."""
        self.in_loop = True
        super().register_with_event_loop(connection, loop)
        loop.call_repeatedly(_TURN_SECS, _turn)


class _Commands:
    """Takes the commands of one message for a pipeline, as kombu's batch does."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def add(self, name: str, *arguments: Any) -> None:
        """Add a command."""
        getattr(self._pipe, name)(*arguments)


TlsTransport = Transport  # the address decides whether it speaks TLS


def _turn() -> None:
    """Do nothing: the turn of the loop that this causes looks for messages."""


def broker_settings(url: str, key_prefix: str = "") -> dict[str, Any]:
    """Return the settings that make an app use this transport for the Redis at an address."""
    scheme = url.partition("://")[0]
    options = {"broker_transport_options": {"global_keyprefix": key_prefix}} if key_prefix else {}
    if scheme not in PATHS:  # a Unix socket, whose path must stay in the address, or sentinels
        return {"broker_url": f"{ALIAS}{veiled(url) if url.startswith(FOUND) else url}", **options}
    return {"broker_url": url, "broker_transport": PATHS[scheme], **options}


def _task_id(message: Any) -> str | None:
    """Return the id of the task that a message is for; None for events and the replies of remote control."""
    found = (message.get("headers") or {}).get("id") or message["properties"].get("correlation_id")
    return str(found) if found else None


def _fast_json(message: Any) -> bytes | None:
    """Return a message as JSON, or None if it has values that only kombu can write (times, UUIDs, NaN)."""
    if not _is_plain(message.get("headers") or {}):
        return None
    try:
        return orjson.dumps(message, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError:  # a lone surrogate, or an integer of more than 64 bits
        return None


def _is_plain(value: Any) -> bool:
    """Return whether orjson and kombu write a value as the same JSON."""
    kind = type(value)
    if kind in (list, tuple):
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(name) is str and _is_plain(inner) for name, inner in value.items())
    return value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value))


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def _text(key: bytes | str) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key
