"""Waits for a state: as short as the machine allows, and long enough for a busy one."""

import time
from collections.abc import Callable

LONGEST_SECS = 240.0  # no promise: a quiet machine needs a few seconds for any of these waits
SOON_SECS = 10.0  # what ends after a second or two on a quiet machine, and would last longer than this if it did not
_EVERY_SECS = 0.02


def until(holds: Callable[[], object], otherwise: Callable[[], object] = lambda: "it did not come to pass") -> None:
    """Return as soon as it holds; fail with what `otherwise` says where it never does."""
    assert comes(holds), otherwise()


def comes(holds: Callable[[], object]) -> bool:
    """Whether it holds, now or in time."""
    end = time.monotonic() + LONGEST_SECS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_EVERY_SECS)
    return True
