"""kombu's Redis transport, which takes a message and notes it as in-flight in one step, and survives broken ones."""

import contextlib
import logging
import time
from collections.abc import Generator, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

import kombu
import kombu.transport
from kombu.transport import redis as plain
from kombu.utils.json import dumps
from redis.exceptions import ResponseError

from ..bounds import Bounds
from ..connections.address import DISCOVERED, hide_credentials, restore_credentials, server_url, without_credentials
from ..connections.connection import client_of, connection_class_for
from ..connections.locators import Locator, locator_of
from ..connections.replies import State, state_of
from ..dead_letters.store import DeadLetters, dead_letters_at
from ..keys import DEFAULT_PREFIX, Keys, prefix_option
from ..messages.envelope import Malformed, read_envelope
from ..messages.message import Message, body_of
from .permits import set_permits
from .quarantine import Abandoned, Quarantine
from .taking import Taker, as_bytes, as_text
from .unacked import PERMIT, PRESENT, QoS

logger = logging.getLogger(__name__)

# What is overridden here is not in the stubs.
_PlainTransport: Any = plain.Transport

ALIAS = "delivery-"  # begins the scheme of an address that kombu must leave to us
PATHS = {
    "redis": f"{__name__}:Transport",
    "rediss": f"{__name__}:TlsTransport",
}
kombu.transport.TRANSPORT_ALIASES.update({f"{ALIAS}{scheme}": path for scheme, path in PATHS.items()})
# The log and Flower show a connection's address by the transport's name: keep the usual one.
kombu.Connection.resolve_aliases.update({path: scheme for scheme, path in PATHS.items()})

_TURN_SECS = 0.05  # between two turns of an idle worker's loop


class Channel(Taker):
    """A channel that quarantines broken messages, and through which tasks can be acknowledged after it is closed."""

    QoS = QoS
    Message = Message
    leads: ClassVar[bool] = False  # whether this process does the leader's work
    dead_letters_url: str | None = None
    dead_letters_bounds: Mapping[str, Any] | None = None
    delivery_prefix = DEFAULT_PREFIX
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
        with self.connection.as_server() as locator:
            found = super()._connparams(asynchronous=asynchronous)
        return {**found, "connection_class": connection_class_for(found["connection_class"]), "locator": locator}

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return the one client of the pool; kombu makes one for each command, a third of the cost of sending."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept_client is None or self._kept_client.connection_pool is not self.pool:
            self._kept_client = super()._create_client()
        return self._kept_client

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
        counts = script(keys=[fleet, *self.prefixed([alike])], args=[name, secs, int(tidy)])
        self._tried_at = time.monotonic()  # the server writes, so no look has to find that out;
        self.pace.look_wide()  # but what follows such a look is due
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
        if as_text(payload["channel"]).endswith(self.keys.wake):
            self.pace.wake()
            return {**payload, "data": None}
        if as_text(payload["type"]).endswith("message") and payload["data"]:
            try:
                body_of(read_envelope(as_bytes(payload["data"])), self.message_max_bytes)
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
        url = restore_credentials(f"{prefix.removeprefix(ALIAS)}+{client.hostname}")
        self._discovered_url = url if url.startswith(DISCOVERED) else ""
        self.can_parse_url = bool(self._discovered_url)  # so that kombu lets us show the address

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the address of a server that others know, without its password."""
        return self._discovered_url if include_password else without_credentials(self._discovered_url)

    @contextlib.contextmanager
    def as_server(self) -> Generator[Locator | None]:
        """Let kombu read the address as if it were a server's; yield its locator, if others know where that is."""
        if not self._discovered_url:
            yield None
            return
        client, url = self.client, server_url(self._discovered_url)
        path = PATHS[url.partition("://")[0]]
        self.client = kombu.Connection(url, ssl=client.ssl, transport=path, transport_options=client.transport_options)
        try:
            yield locator_of(self._discovered_url)
        finally:
            self.client = client

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let a worker's loop drive the channels, and turn it every 50 ms to look for messages."""
        self.in_loop = True
        super().register_with_event_loop(connection, loop)
        loop.call_repeatedly(_TURN_SECS, _turn)


TlsTransport = Transport  # the address decides whether it speaks TLS


def _turn() -> None:
    """Do nothing: the turn of the loop that this causes looks for messages."""


def broker_settings(url: str, key_prefix: str = "") -> dict[str, Any]:
    """Return the settings that make an app use this transport for the Redis at an address."""
    scheme = url.partition("://")[0]
    options = {"broker_transport_options": prefix_option(key_prefix)} if key_prefix else {}
    if scheme not in PATHS:  # a Unix socket, whose path must stay in the address, or sentinels
        return {"broker_url": f"{ALIAS}{hide_credentials(url) if url.startswith(DISCOVERED) else url}", **options}
    return {"broker_url": url, "broker_transport": PATHS[scheme], **options}
