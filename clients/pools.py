"""Connections to one address: kept, with a deadline for a whole exchange, and a request in one write.

requests times out between two bytes only, so a server that sends one byte a second could hold a call for
ever. Here every read from the socket gets what is left of the deadline. Looking up the address is outside it,
and a host with several addresses has the time to connect for each.
"""

import io
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import SKIP_HEADER

from .heads import PlainHead

_ONE_WRITE_BYTES = 64 * 2**10
_WAITS_ITSELF = hasattr(select, "poll") and hasattr(socket, "MSG_DONTWAIT")
_NEAR_ENOUGH_SECS = 0.05  # a call may end that much before or after its deadline

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(timeout_secs: float) -> Generator[None]:
    """Give all reads and writes of the block these seconds together."""
    token = _deadline.set(time.monotonic() + timeout_secs)
    try:
        yield
    finally:
        _deadline.reset(token)


class _DeadlineSocket:
    """A connected socket whose reads and writes get what is left of the deadline.

    With a timeout of its own Python asks poll before each read and write, and lets go of its lock for that, which among
    busy threads costs a turn. A plain socket has none: a write is tried at once, and a read waits here.
    """

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._given_secs = 0.0
        self._poll: Any = self._poll_of(plain) if _WAITS_ITSELF and type(plain) is socket.socket else None

    @staticmethod
    def _poll_of(plain: socket.socket) -> Any:
        plain.settimeout(None)
        # A socket of gevent or eventlet never blocks: it waits in its own way, with a timeout of its own.
        return select.poll() if os.get_blocking(plain.fileno()) else None

    def gettimeout(self) -> float | None:
        """What is left: a TLS handshake takes it from here."""
        return _left()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def settimeout(self, secs: float | None) -> None:
        """Nothing: what urllib3 sets holds between two bytes, the deadline for all of them."""

    def makefile(self, mode: str = "r", buffering: int | None = None, **kwargs: Any) -> io.BufferedReader:
        # http.client reads the answer through this; SocketIO calls our recv_into.
        raw = socket.SocketIO(cast(socket.socket, self), "r")
        counted: Any = self._plain
        while not isinstance(counted, socket.socket):  # TLS inside TLS: its transport, and ours of the proxy
            counted = counted._plain if isinstance(counted, _DeadlineSocket) else counted.socket
        counted._io_refs += 1  # what socket.makefile does
        return io.BufferedReader(raw)

    def recv_into(self, buffer: Any, *size: int) -> int:
        self._wait(select.POLLIN) if self._poll else self._give_time()
        return self._plain.recv_into(buffer, *size)

    def recv(self, size: int, *flags: int) -> bytes:
        """What TLS inside TLS reads through, in as many steps as it likes."""
        self._wait(select.POLLIN) if self._poll else self._give_time()
        return self._plain.recv(size, *flags)

    def sendall(self, data: Any) -> None:
        if not self._poll:
            self._give_time()
            self._plain.sendall(data)
            return
        left = memoryview(data)
        while left:
            _left()
            try:
                left = left[self._plain.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)

    def _wait(self, event: int) -> None:
        left_secs = _left()
        self._poll.register(self._plain.fileno(), event)
        if not self._poll.poll(None if left_secs is None else math.ceil(left_secs * 1000)):
            raise TimeoutError("deadline")

    def _give_time(self) -> None:
        # Setting it is a system call that lets go of the interpreter's lock, too.
        left_secs = _left()
        if left_secs is None or left_secs < 1 or abs(left_secs - self._given_secs) > _NEAR_ENOUGH_SECS:
            self._plain.settimeout(left_secs)
            self._given_secs = left_secs or 0.0


def _left() -> float | None:
    end = _deadline.get()
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("deadline")
    return left


class _IdleLimit:
    """A connection pool that does not reuse a connection after it was idle for long."""

    idle_limit_secs: float

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = cast(Any, super())._get_conn(timeout)
        if time.monotonic() - getattr(connection, "idle_since", time.monotonic()) > self.idle_limit_secs:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        cast(Any, super())._put_conn(conn)


class HandshakeFailed(ssl.SSLError):
    """No TLS session was agreed on, so no request was sent."""


class _OneWrite:
    """Makes the head of a request from ready lines, and sends it together with the body: one packet, one read."""

    _head = b""
    _body_follows = False

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        """Send a request."""
        self._head, self._body_follows = b"", isinstance(body, bytes) and 0 < len(body) <= _ONE_WRITE_BYTES
        cast(Any, super()).request(method, url, body=body, headers=headers, **options)

    def putheader(self, header: str, *values: Any) -> None:
        """Add a line to the head; what is not plain text is left to urllib3, which refuses what would break it."""
        if len(values) == 1 and type(header) is type(values[0]) is str and values[0] != SKIP_HEADER:
            line = f"{header}: {values[0]}"
            if header.replace("-", "").isalnum() and line.isascii() and line.isprintable():
                cast(Any, self)._output(line.encode())
                return
        cast(Any, super()).putheader(header, *values)

    def send(self, data: Any) -> None:
        """Send bytes; a head that a body follows waits for it."""
        if self._body_follows and not self._head:
            self._head = data
            return
        head, self._head, self._body_follows = self._head, b"", False
        cast(Any, super()).send(head + data if head else data)

    def close(self) -> None:
        """Close the connection, and forget a head that was not sent."""
        self._head, self._body_follows = b"", False
        cast(Any, super()).close()


class _HTTPConnection(_OneWrite, HTTPConnection):
    response_class = PlainHead

    def _new_conn(self) -> socket.socket:
        return cast(socket.socket, _DeadlineSocket(super()._new_conn()))


class _HTTPSConnection(_OneWrite, HTTPSConnection):
    response_class = PlainHead

    def _new_conn(self) -> socket.socket:
        # A proxy's answer to CONNECT is read through this.
        return cast(socket.socket, _DeadlineSocket(super()._new_conn()))

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLError as error:
            raise HandshakeFailed(*error.args) from error
        if not isinstance(self.sock, _DeadlineSocket):
            self.sock = cast(Any, _DeadlineSocket(cast(socket.socket, self.sock)))

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        # Its answer to CONNECT, and all that comes through its tunnel, is read through this.
        return _DeadlineSocket(super()._connect_tls_proxy(hostname, sock))


class HTTPPool(_IdleLimit, HTTPConnectionPool):
    ConnectionCls = cast(Any, _HTTPConnection)


class HTTPSPool(_IdleLimit, HTTPSConnectionPool):
    ConnectionCls = cast(Any, _HTTPSConnection)
