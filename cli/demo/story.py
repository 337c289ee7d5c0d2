"""What the demo says while it runs: one plain line for each event, with the seconds since its start."""

import time
from collections.abc import Callable

from ..terminal.failure import Failure
from ..terminal.plain import plain

_QUIET_SECS = 5.0  # a longer wait says how far it is
_COUNT_EVERY_SECS, _EVERY_SECS = 0.5, 0.05


class Story:
    """Tells events, and waits for them."""

    def __init__(self, say: Callable[[str], None], check: Callable[[], None], began: float) -> None:
        """`say` gets each line; `check` is called while waiting, and raises if waiting is pointless.

        `began` is when the demo began, by the monotonic clock.
        """
        self._say, self._check = say, check
        self._began = self._told_at = began

    @property
    def secs(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def tell(self, text: str) -> None:
        """Say what just happened."""
        self._told_at = time.monotonic()
        self._say(f"{self.secs:6.1f} s  {plain(text)}")

    def wait(
        self,
        text: str,
        count: Callable[[], int],
        total: int,
        *,
        patience_secs: float,
        sign: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait until `count` reaches `total`; `sign` changes with progress that is not counted yet.

        Raises: Failure if neither changes for `patience_secs`, and what `check` raises.
        """
        reached, seen, deadline = -1, None, 0.0
        while reached < total:
            before, (reached, seen) = (reached, seen), (count(), sign())
            if (reached, seen) != before:
                deadline = time.monotonic() + patience_secs
            elif time.monotonic() > deadline:
                raise Failure(
                    f"{text}: stuck at {reached} of {total} for {patience_secs:.0f} s. Look at the logs of the workers."
                )
            if reached < total and time.monotonic() - self._told_at > _QUIET_SECS:
                self.tell(f"{text}: {reached} of {total} so far")
            self._check()
            time.sleep(_COUNT_EVERY_SECS if reached < total else 0)

    def wait_for(self, holds: Callable[[], object], secs: float) -> bool:
        """Wait until it holds, so many seconds at most; returns whether it does."""
        end = time.monotonic() + secs
        while not holds():
            if time.monotonic() > end:
                return False
            self._check()
            time.sleep(_EVERY_SECS)
        return True
