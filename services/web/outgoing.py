"""Sending a response without waiting for who reads it."""

import time
from typing import Any

from .reception import LEAST_BYTES_PER_SEC

_GRACE_SECS = 10.0
_PIECE_BYTES = 2**20


class Outgoing:
    """A socket whose `sendall` never waits: what the socket does not take at once, the worker's loop sends."""

    def __init__(self, sock: Any) -> None:
        self._sock, self._waiting, self._at = sock, bytearray(), 0
        self._since = time.monotonic()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the socket's."""
        return getattr(self._sock, name)

    @property
    def is_sent(self) -> bool:
        """Whether nothing is left to send."""
        return self._at == len(self._waiting)

    @property
    def deadline(self) -> float:
        """When the rest must have been read: after a grace, at a least rate."""
        return self._since + _GRACE_SECS + self._at / LEAST_BYTES_PER_SEC

    def setblocking(self, flag: bool) -> None:
        """Stay without blocking, whatever Gunicorn asks for."""

    def sendall(self, data: bytes) -> None:
        """Send what the socket takes now, and keep the rest."""
        sent = self._try(memoryview(data)) if self.is_sent else 0
        self._waiting += memoryview(data)[sent:]
        self._since = time.monotonic()

    def send(self) -> None:
        """Send some more.

        Raises: OSError if the connection is lost.
        """
        with memoryview(self._waiting) as view:
            self._at += self._try(view[self._at : self._at + _PIECE_BYTES])

    def _try(self, data: memoryview) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
