"""How often an idle worker looks for messages: the larger the fleet, the less often each worker looks.

A message that comes after a quiet time is found by whichever worker looks next. If more wait behind it, that worker
wakes all others (`scripts/take.lua`).
"""

import random
import time

_BUSY_SECS = 0.05  # between two looks while messages come
_IDLE_SECS, _LONGEST_SECS = 0.15, 1.0  # alone, and in a large fleet: others may be busy, or consume other queues
_LOOKS_PER_SEC = 40.0  # of all workers together, where they are more than six and up to forty
_SLOWS_DOWN = 10.0  # the pause is at most this part of the quiet time


class Pace:
    """When this worker looks for messages next; one a process, because all its channels belong to one worker."""

    def __init__(self) -> None:
        self.workers = 1  # in the fleet, as far as this one knows
        self._found_at = self._next_at = 0.0
        self._wakes = self._wakes_before = 0

    @property
    def may_look(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._next_at

    def looks(self) -> None:
        """It looks now: what wakes it from here on is not over when nothing is found."""
        self._wakes_before = self._wakes

    def found(self) -> None:
        """A message was there: look again at once."""
        self._found_at, self._next_at = time.monotonic(), 0.0

    def found_nothing(self) -> None:
        """Pause, unless it was woken meanwhile; workers that began together do not look together for long."""
        if self._wakes != self._wakes_before:
            return
        now = time.monotonic()
        fair = min(_LONGEST_SECS, max(_IDLE_SECS, self.workers / _LOOKS_PER_SEC))
        pause = min(fair, max(_BUSY_SECS, (now - self._found_at) / _SLOWS_DOWN))
        self._next_at = now + pause * random.uniform(0.75, 1.25)

    def pause(self, secs: float) -> None:
        """Look again after so many seconds."""
        self._next_at = time.monotonic() + secs

    def wake(self) -> None:
        """Look at once: messages wait."""
        self._wakes += 1
        self._next_at = 0.0
