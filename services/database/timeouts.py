"""How long a service waits for a PostgreSQL that says nothing: its own time limits are no help while it hangs."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")
_ANSWER_SECS, _CONNECT_SECS = 9.0, 3
_HURRIED_SECS = 2  # twice this is below the 5 s that a caller of /health waits
_answer_secs: ContextVar[float] = ContextVar("answer_secs", default=_ANSWER_SECS)


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server.

        Raises: psycopg.OperationalError where it does not answer.
        """
        patience = _answer_secs.get()
        began = time.monotonic()
        try:
            return super().wait(gen, interval, patience if timeout is None else min(timeout, patience))
        except psycopg.OperationalError:
            if time.monotonic() - began >= patience:
                self.close()  # an answer that came after all would be taken for that of the next statement
            raise


@contextmanager
def in_a_hurry() -> Generator[None]:
    """Wait no longer than a health check may take."""
    token = _answer_secs.set(_HURRIED_SECS)
    try:
        yield
    finally:
        _answer_secs.reset(token)


def connect_secs() -> int:
    """How long a new connection may take."""
    return min(_CONNECT_SECS, int(_answer_secs.get()))
