"""The doctor's look at the archival sweeps."""

from collections.abc import Iterator

from ...tasks import connections
from ...tasks.archival.state import Status, Sweeps
from .finding import Finding, State, judged


def check_sweeps() -> Iterator[Finding]:
    """Whether sweeps are paused, and how the last one ended."""
    state = Sweeps(connections.redis())
    paused = state.paused()
    yield judged("sweeps", not paused, "paused" if paused else "not paused", "mgw sweeps resume", State.WARNING)
    last = next(state.newest(1), None)
    if last is not None:
        found = f"{last.status} {last.reason}".strip()
        fix = f"mgw sweeps show {last.sweep_id}"
        yield judged("last sweep", last.status is not Status.INCOMPLETE, found, fix, State.WARNING)
