"""What a breaker needs to be told of its state, wherever that is kept: in this process or in Redis."""

import threading
import time
from abc import abstractmethod

import pybreaker

RESET_SECS = 60.0
# Of a request, which is remembered while its failures are counted.
DIGEST_BYTES = 8


class _Current(threading.local):
    """The call of this thread: the digest of its request if that counts once, and whether its success counts."""

    request: str | None = None
    counts: bool = True
    opens: bool = False  # its failure opens the breaker


class Storage(pybreaker.CircuitBreakerStorage):
    """The storage that pybreaker needs, and a gate for probes. Setting the state resets the counters to 0."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.current = _Current()

    @property
    def counter(self) -> int:
        """What pybreaker compares with its `fail_max` of 1: whether this thread's failed call opens the breaker."""
        return int(self.current.opens)

    def increment_counter(self) -> None:
        """Count the failure of this thread's call."""
        self.current.opens = self.count_failure(self.current.request)

    def reset_counter(self) -> None:
        """Do nothing: `count_success` ends the row; pybreaker calls this also in each thread that sees a new state."""

    @abstractmethod
    def count_failure(self, request: str | None) -> bool:
        """Count a failed call, and return whether it opens the breaker (`rule.opens`).

        In the row of failures the same request counts once until a call succeeds, None always.
        """

    @abstractmethod
    def count_success(self) -> None:
        """Count a call that succeeded; it ends the row of failures."""

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
