"""What a held queue asks of a service's circuit breaker, whatever library it comes from."""

import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from kombu.utils.imports import symbol_by_name

from ..errors import InvalidConfig
from ..settings import BreakerOf, Installed

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
_REMEMBERED_LOOKS = 8  # fifteen seconds apart: calls that hang are fewer and fewer for up to a minute before it opens


class SharedBreaker:
    """The state of a circuit breaker that all workers share.

    All that `found` must have is a readable `state`. If it has `pause_left_secs()`, or `opened_at`, the trial waits so
    long. If its `state` can be set, it is set to half-open for the trial, else the breaker must let a call through. If
    it has `calls_per_sec()`, the rate before an outage is known.
    """

    def __init__(self, found: Any, pause_secs: float) -> None:
        self._found, self._pause_secs = found, pause_secs
        self._open_since: float | None = None
        self._rates = deque[float](maxlen=_REMEMBERED_LOOKS)

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        state = str(self._found.state)
        if state != OPEN:
            self._open_since = None
        elif self._open_since is None:
            self._open_since = time.monotonic()
        return state

    def pause_left_secs(self) -> float:
        """Seconds until an open breaker may be tried."""
        if hasattr(self._found, "pause_left_secs"):
            return float(self._found.pause_left_secs())
        return max(0.0, self._pause_secs - self._open_for_secs())

    def measure(self) -> None:
        """Note how many calls a second succeed now, if the breaker is closed and can say it."""
        if self.state == CLOSED and hasattr(self._found, "calls_per_sec"):
            rate = self._found.calls_per_sec()
            if rate is not None:
                self._rates.append(float(rate))

    @property
    def usual_rate(self) -> float | None:
        """The most calls a second that succeeded in the last two minutes while it was closed; None if unknown."""
        return max(self._rates, default=None)

    def half_open(self) -> bool:
        """Let calls through again; False where the breaker decides that alone."""
        with suppress(AttributeError):  # a property that cannot be set
            self._found.state = HALF_OPEN
            return True
        return False

    def _open_for_secs(self) -> float:
        opened_at = getattr(self._found, "opened_at", None)
        if isinstance(opened_at, datetime):
            known = opened_at if opened_at.tzinfo else opened_at.replace(tzinfo=UTC)
            return (datetime.now(UTC) - known).total_seconds()
        return time.monotonic() - self._open_since if self._open_since is not None else 0.0


def breaker_of(found: Installed) -> BreakerOf:
    """The function that returns a service's circuit breaker.

    Raises: InvalidConfig where its module does not have it.
    """
    if not isinstance(found.breaker, str):
        return found.breaker or _no_breaker
    try:
        return symbol_by_name(found.breaker)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidConfig(
            f"The breaker {found.breaker!r} cannot be imported ({error}): give install a function or its 'module:name'."
        ) from error


def _no_breaker(service: str) -> Any:
    raise LookupError(service)
