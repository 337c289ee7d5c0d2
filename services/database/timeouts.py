"""How long a service waits for a PostgreSQL that has stopped responding, which cannot apply its own time limits."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")
_RESPONSE_SECS, _CONNECT_SECS = 9.0, 3
_HEALTH_CHECK_SECS = 2  # connecting and asking together take less than the 5 s that a caller of /health waits
_response_secs: ContextVar[float] = ContextVar("response_secs", default=_RESPONSE_SECS)


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not respond in time."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server.

        Raises: psycopg.OperationalError if it does not respond in time.
        """
        most = _response_secs.get()
        started = time.monotonic()
        try:
            return super().wait(gen, interval, most if timeout is None else min(timeout, most))
        except psycopg.OperationalError:
            if time.monotonic() - started >= most:
                self.close()  # a late response would be taken for that of the next statement
            raise


@contextmanager
def health_check_timeout() -> Generator[None]:
    """Inside, wait no longer than a health check may take."""
    token = _response_secs.set(_HEALTH_CHECK_SECS)
    try:
        yield
    finally:
        _response_secs.reset(token)


def connect_secs() -> int:
    """How long a new connection may take."""
    return min(_CONNECT_SECS, int(_response_secs.get()))
