"""One deadline for a whole exchange: every read and write of its sockets gets the time that is left.

A timeout of a socket holds between two bytes, so a server that sends one byte a second could hold a call for
ever. Looking up the address is outside the deadline, and a host with several addresses gets the time to connect
for each of them.
"""

import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(timeout_secs: float) -> Generator[None]:
    """Give all reads and writes of the block these seconds together."""
    token = _deadline.set(time.monotonic() + timeout_secs)
    try:
        yield
    finally:
        _deadline.reset(token)


def left_secs() -> float | None:
    """Return the seconds until the deadline, or None outside `within`.

    Raises: TimeoutError after the deadline.
    """
    end = _deadline.get()
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def _timed(operation: F) -> F:
    """Give an operation of a socket what is left of the deadline."""

    @wraps(operation)
    def timed(self: socket.socket, *args: Any, **options: Any) -> Any:
        self.settimeout(left_secs())
        return operation(self, *args, **options)

    return cast(F, timed)


class DeadlineSocket(socket.socket):
    """A TCP socket that keeps to the deadline; http.client reads by `recv_into`."""

    recv_into = _timed(socket.socket.recv_into)
    sendall = _timed(socket.socket.sendall)


class DeadlineTLSSocket(ssl.SSLSocket):
    """A TLS socket that keeps to the deadline; TLS inside TLS reads by `recv`, and `sendall` is many a `send`."""

    do_handshake = _timed(ssl.SSLSocket.do_handshake)
    recv = _timed(ssl.SSLSocket.recv)
    recv_into = _timed(ssl.SSLSocket.recv_into)
    send = _timed(ssl.SSLSocket.send)
