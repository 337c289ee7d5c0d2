"""The rule by which a breaker opens, the same for the breaker of one process and for the one that a fleet shares.

Five different failing requests in a row are an outage in a small fleet. In a large one they come by chance: calls that
are under way fail side by side while others succeed. So half of the latest calls must have failed, too.
"""

from collections.abc import Mapping, Sequence

FAIL_MAX = 5
LEAST_CALLS = 20  # of fewer, half says nothing: the row alone decides
WINDOW_SECS = 10
_NEWEST = 2  # seconds that always count: this one has hardly begun, and successes are counted up to 0.2 s late

Calls = tuple[int, int]  # of one second: how many succeeded, how many failed


def opens(in_a_row: int, latest: Sequence[Calls]) -> bool:
    """Return whether this failure opens the breaker.

    `in_a_row` is how many different requests failed since the last success, with this one. `latest` are the calls of
    each second, the present one first. This second and the one before count, and of those before as many as make 20
    calls, at most ten seconds in all: a busy service is judged by its last second or two, so an outage is seen soon.
    """
    if in_a_row < FAIL_MAX:
        return False
    succeeded = failed = 0
    for age, second in enumerate(latest[:WINDOW_SECS]):
        if age >= _NEWEST and succeeded + failed >= LEAST_CALLS:
            break
        succeeded, failed = succeeded + second[0], failed + second[1]
    return succeeded + failed < LEAST_CALLS or failed >= succeeded


def succeeded_per_sec(latest: Sequence[Calls]) -> float:
    """Return how many calls a second succeeded in the whole seconds before the present one."""
    whole = latest[1:WINDOW_SECS]
    return sum(succeeded for succeeded, _ in whole) / len(whole)


class Window:
    """The calls of the last ten seconds, by a clock of whole seconds."""

    def __init__(self, seconds: Mapping[int, Calls] | None = None) -> None:
        self._seconds = dict(seconds or {})

    def count(self, now: int, succeeded: int, failed: int) -> None:
        """Count calls that ended now."""
        if now not in self._seconds:
            self._seconds = {at: calls for at, calls in self._seconds.items() if now - at < WINDOW_SECS}
        before = self._seconds.get(now, (0, 0))
        self._seconds[now] = (before[0] + succeeded, before[1] + failed)

    def latest(self, now: int) -> list[Calls]:
        """Return the calls of each second, this one first."""
        return [self._seconds.get(now - age, (0, 0)) for age in range(WINDOW_SECS)]

    def clear(self) -> None:
        """Forget all calls."""
        self._seconds.clear()
