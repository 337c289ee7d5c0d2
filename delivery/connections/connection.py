"""The one class of connections, and the one factory of clients, for everything here that speaks to Redis.

A connection finds its server again each time it connects, and drops itself when the server says "not now".
"""

import socket
from typing import Any, cast

import redis
from redis.exceptions import ResponseError

from .address import restore_credentials, server_url
from .locators import Locator, locator_of
from .replies import WAITED_FOR, NotNow, name_in

_Base: Any = object
# The kernel of a machine that is there acknowledges at once, however slow its server is. One that is gone, or cut off,
# says nothing: without these, a worker would wait for its response for half a minute, and longer if it asked for none.
_GONE_AFTER = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 5000}  # s, s, times, ms


class Connection(_Base):
    """What is added to each of redis-py's classes of connections: for TCP, TLS and Unix sockets."""

    _greets = False

    def __init__(self, *args: Any, locator: Locator | None = None, **kwargs: Any) -> None:
        """Without a `locator`, host and port say where the server is."""
        self._locator = locator
        super().__init__(*args, **kwargs)

    def _connect(self) -> Any:
        if self._locator:
            self.host, self.port = self._locator.locate()
        connected = super()._connect()
        if connected.family != socket.AF_UNIX:
            for name, value in _GONE_AFTER.items():
                if hasattr(socket, name):
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return connected

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> Any:
        """Greet the server; redis-py itself decides which refused part of a greeting does not matter."""
        self._greets = True
        try:
            return super().on_connect_check_health(*args, **kwargs)
        except ResponseError as error:
            raise self._not_now(error) or error from None
        finally:
            self._greets = False

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read a response; one that means "not now" is a lost connection."""
        try:
            response = super().read_response(*args, **kwargs)
        except ResponseError as error:
            refused = None if self._greets else self._not_now(error)
            if refused is None:
                raise
            raise refused from None
        for part in response if type(response) is list else ():  # of a transaction, each command has one
            refused = self._not_now(part) if isinstance(part, ResponseError) else None
            if refused is not None:
                raise refused
        return response

    def _not_now(self, error: ResponseError) -> NotNow | None:
        name = name_in(error)
        if name not in WAITED_FOR:
            return None
        cast(Any, self).disconnect()  # the rest of a pipeline's responses goes with it
        return NotNow(name)


def connection_class_for(kind: Any) -> Any:
    """Our class of connections for one of redis-py's."""
    return kind if issubclass(kind, Connection) else type(kind.__name__, (Connection, kind), {})


def connect(url: str, *, timeout_secs: float, connect_timeout_secs: float, **options: Any) -> "redis.Redis":
    """A client of the Redis at an address, also at one with hidden credentials; it raises NotNow as `replies` says."""
    address = restore_credentials(url)
    client = redis.Redis.from_url(
        server_url(address), socket_timeout=timeout_secs, socket_connect_timeout=connect_timeout_secs, **options
    )
    prepare_pool(client.connection_pool, address)
    return client


def client_of(pool: Any) -> "redis.Redis":
    """A client of the connections of a pool."""
    return redis.Redis(connection_pool=pool)


def prepare_pool(pool: Any, url: str) -> Any:
    """Let a pool make connections of ours to the Redis at an address. Returns the pool."""
    pool.connection_class = connection_class_for(pool.connection_class)
    locator = locator_of(url)
    if locator is not None:
        pool.connection_kwargs["locator"] = locator
    return pool
