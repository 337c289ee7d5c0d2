"""How often an idle worker looks for messages: the fleet as a whole looks at a steady rate, however large it is.

A message that comes after a quiet time is found by whichever worker looks next. If more wait behind it, that worker
wakes all others (`scripts/take.lua`). A worker that cannot be woken looks every second.
"""

import random
import time

_BUSY_SECS = 0.05  # between two looks while messages come
_IDLE_SECS = 0.15
_LOOKS_PER_SEC = 40.0  # of all idle workers together, where they are more than six
_DEAF_SECS, _LONGEST_SECS = 1.0, 15.0
_SLOWS_DOWN = 10.0  # the pause is at most this part of the quiet time


class Pace:
    """When this worker looks for messages next; one a process, because all its channels belong to one worker."""

    def __init__(self) -> None:
        self.workers = 1  # in the fleet, as far as this one knows
        self.can_be_woken = False
        self._found_at = self._next_at = 0.0

    @property
    def may_look(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._next_at

    def found(self) -> None:
        """A message was there: look again at once."""
        self._found_at, self._next_at = time.monotonic(), 0.0

    def found_nothing(self) -> None:
        """Pause; workers that began together do not look together for long."""
        now = time.monotonic()
        bound = _LONGEST_SECS if self.can_be_woken else _DEAF_SECS
        fair = min(bound, max(_IDLE_SECS, self.workers / _LOOKS_PER_SEC))
        pause = min(fair, max(_BUSY_SECS, (now - self._found_at) / _SLOWS_DOWN))
        self._next_at = now + pause * random.uniform(0.75, 1.25)

    def pause(self, secs: float) -> None:
        """Look again after so many seconds."""
        self._next_at = time.monotonic() + secs

    def wake(self) -> None:
        """Look at once: messages wait."""
        self._next_at = 0.0
