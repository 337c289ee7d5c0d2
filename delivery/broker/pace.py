"""How often an idle worker asks Redis for anything: the larger the fleet, the less often each worker does.

A message that comes after a quiet time is found by whichever worker looks next. If more wait behind it, that worker
wakes all others (`scripts/take.lua`).
"""

import random
import time

_BUSY_SECS = 0.05  # between two looks while messages come
_IDLE_SECS, _LONGEST_SECS = 0.16, 1.0  # alone, and in a large fleet: others may be busy, or consume other queues
_LONGEST_ALIKE_SECS = 15.0  # where so many consume the same queues that one of them is looking anyway
_LOOKS_PER_SEC = 40.0  # of all workers together, where they are more than six
_SLOWS_DOWN = 10.0  # the pause is at most this part of the quiet time
_WIDE_SECS = 600.0  # a priority that was used may be used again


class Pace:
    """When this worker looks for messages next; one a process, because all its channels belong to one worker."""

    def __init__(self) -> None:
        self.workers = self._alike = 1  # in the fleet, and those that consume the same queues; as far as is known
        self._found_at = self._next_at = 0.0
        self._wakes = self._wakes_before = 0
        self._wide, self._wide_until = True, 0.0

    def learn(self, workers: int, alike: int) -> None:
        """There are so many workers, and so many of them consume the same queues as this one."""
        self.workers, self._alike = max(1, workers), max(1, alike)
        self._next_at = min(self._next_at, time.monotonic() + self._fair_secs())

    def every(self, secs: float, per_sec: float) -> float:
        """The seconds between two times that an idle worker does something: `per_sec` of all workers together."""
        return max(secs, self.workers / per_sec)

    @property
    def may_look(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._next_at

    @property
    def looks_wide(self) -> bool:
        """Whether to look at the lists of all priorities, of which few apps use more than one."""
        return self._wide or time.monotonic() < self._wide_until

    def looks(self) -> None:
        """It looks now: what wakes it from here on is not over when nothing is found."""
        self._wakes_before = self._wakes

    def found(self, *, first_priority: bool = True) -> None:
        """A message was there: look again at once."""
        self._found_at, self._next_at = time.monotonic(), 0.0
        if not first_priority:
            self._wide_until = self._found_at + _WIDE_SECS

    def found_nothing(self) -> None:
        """Pause, unless it was woken meanwhile; workers that began together do not look together for long."""
        if self._wakes != self._wakes_before:
            return
        now = time.monotonic()
        pause = min(self._fair_secs(), max(_BUSY_SECS, (now - self._found_at) / _SLOWS_DOWN))
        self._next_at, self._wide = now + pause * random.uniform(0.75, 1.25), False

    def pause(self, secs: float) -> None:
        """Look again after so many seconds."""
        self._next_at = time.monotonic() + secs

    def look_wide(self) -> None:
        """Look at the lists of all priorities next."""
        self._wide = True

    def wake(self) -> None:
        """Look at once, and at all: messages wait."""
        self._wide = True
        self._wakes += 1
        self._next_at = 0.0

    def _fair_secs(self) -> float:
        """The longest pause, by which all workers together look so often, whoever consumes what."""
        any_queue = min(_LONGEST_SECS, max(_IDLE_SECS, self.workers / _LOOKS_PER_SEC))
        return max(any_queue, min(_LONGEST_ALIKE_SECS, self._alike / _LOOKS_PER_SEC))
