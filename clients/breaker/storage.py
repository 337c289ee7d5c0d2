"""What a breaker needs to be told of its state, wherever that is kept: in this process or in Redis."""

import threading
import time
from abc import abstractmethod

import pybreaker

FAIL_MAX = 5
RESET_SECS = 60.0
# Of a request, which is remembered while its failures are counted.
DIGEST_BYTES = 8


class _Current(threading.local):
    """The call of this thread: the digest of its request if that counts once, and if its success ends a row."""

    request: str | None = None
    ends_row: bool = True


class Storage(pybreaker.CircuitBreakerStorage):
    """The storage that pybreaker needs, and a gate for probes. Setting the state resets the counters to 0."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.current = _Current()

    def increment_counter(self) -> None:
        """Count the failure of this thread's call, unless its request was counted since the last success."""
        self.count_failure(self.current.request)

    def reset_counter(self) -> None:
        """End the row of failures: a call succeeded."""
        if self.current.ends_row:
            self.forget_failures()

    @abstractmethod
    def count_failure(self, request: str | None) -> None:
        """Count a failure; the same request counts once until a call succeeds, None always."""

    @abstractmethod
    def forget_failures(self) -> None:
        """Reset the failures to 0."""

    def reset_success_counter(self) -> None:
        """Do nothing: setting the state resets it, and pybreaker calls this in each thread that sees a new state."""

    @property
    @abstractmethod
    def closing(self) -> str:
        """A text that changes whenever the state becomes closed."""

    @abstractmethod
    def pause_left_secs(self) -> float:
        """Return the seconds until an open breaker lets a probe through."""

    @abstractmethod
    def take_probe(self) -> bool:
        """Take the right to send the one probe; False if it is taken."""

    @abstractmethod
    def release_probe(self) -> None:
        """Give back the right to send the one probe."""


def new_closing() -> str:
    """Return a text that no other closing has."""
    return str(time.time_ns())
