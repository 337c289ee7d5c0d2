"""The doctor's look at the archival sweeps."""

from collections.abc import Iterator

from ...tasks import connections
from ...tasks.archival.keys import key
from ...tasks.archival.row_faults import RowFaults
from ...tasks.archival.state import Status, Sweep, Sweeps
from ..terminal.wording import counted
from .finding import Finding, State, judged


def check_sweeps() -> Iterator[Finding]:
    """Whether sweeps are paused, how the last one ended, and whether it could use the whole listing."""
    state = Sweeps(connections.redis())
    paused = state.paused()
    yield judged("sweeps", not paused, "paused" if paused else "not paused", "mgw sweeps resume", State.WARNING)
    last = next(state.newest(1), None)
    if last is not None:
        found = f"{last.status} {last.reason}".strip()
        fix = f"mgw sweeps show {last.sweep_id}"
        yield judged("last sweep", last.status is not Status.INCOMPLETE, found, fix, State.WARNING)
        yield _listing(last.row_faults, fix)
    broken = [_uncounted(sweep) for sweep in state.newest() if sweep.broken]
    if broken:
        fix = "These counts begin from zero again, so they are too low. See who else writes these keys."
        yield Finding("counts of sweeps", State.WARNING, "; ".join(broken), fix)


def _listing(faults: RowFaults, fix: str) -> Finding:
    """Whether the last sweep could use every row of the Registry's listing."""
    unreadable = counted(faults.unreadable, "row")
    unknown = counted(faults.unknown_statuses, "session")
    found = f"{unreadable} skipped, {unknown} of unknown status" if faults else "every row could be used"
    return judged("registry: listing", not faults, found, f"{fix}; repair them in the Registry", State.WARNING)


def _uncounted(sweep: Sweep) -> str:
    return f"{key(sweep.sweep_id)} has no number for {', '.join(sweep.broken)}"
