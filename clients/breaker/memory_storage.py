"""The state of a breaker that one process has for itself."""

import threading
import time
from datetime import UTC, datetime

import pybreaker

from .rule import FAIL_MAX, Window, opens
from .storage import RESET_SECS, Storage, new_closing


class MemoryStorage(Storage):
    """The state of a breaker in this process, shared by its threads."""

    def __init__(self, reset_secs: float = RESET_SECS) -> None:
        super().__init__("memory")
        self._lock = threading.Lock()
        self._probe = threading.Lock()
        self._reset_secs = reset_secs
        self._state = pybreaker.STATE_CLOSED
        self._failures = self._successes = 0
        self._requests = set[str]()
        self._window = Window()
        self._opened_at: datetime | None = None
        self._closing = ""

    @property
    def closing(self) -> str:
        """A text that changes whenever the state becomes closed."""
        return self._closing

    @property
    def state(self) -> str:
        """The state; setting it resets the counters to 0."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        with self._lock:
            self._state, self._failures, self._successes = state, 0, 0
            self._requests.clear()
            self._window.clear()
            if state == pybreaker.STATE_CLOSED:
                self._closing = new_closing()

    def count_failure(self, request: str | None) -> bool:
        """Count a failed call, and return whether it opens the breaker."""
        now = int(time.monotonic())
        with self._lock:
            if request not in self._requests:
                self._failures += 1
            if request is not None and len(self._requests) < FAIL_MAX:
                self._requests.add(request)
            self._window.count(now, 0, 1)
            return opens(self._failures, self._window.latest(now))

    def count_success(self) -> None:
        """Count a call that succeeded; it ends the row of failures."""
        with self._lock:
            self._window.count(int(time.monotonic()), 1, 0)
            self._failures = 0
            self._requests.clear()

    def increment_success_counter(self) -> None:
        """Count a successful probe."""
        with self._lock:
            self._successes += 1

    @property
    def success_counter(self) -> int:
        """Successful probes in a row."""
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        """When the breaker last opened."""
        return self._opened_at

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        self._opened_at = datetime

    def pause_left_secs(self) -> float:
        """Return the seconds until an open breaker lets a probe through."""
        opened = self._opened_at
        return max(0.0, (opened - datetime.now(UTC)).total_seconds() + self._reset_secs) if opened else 0.0

    def take_probe(self) -> bool:
        """Take the right to send the one probe; False if another thread has it."""
        return self._probe.acquire(blocking=False)

    def release_probe(self) -> None:
        """Give back the right to send the one probe."""
        self._probe.release()
