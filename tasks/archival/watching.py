"""What the watch does once a minute: start an overdue sweep, resume a stalled one, end one that cannot go on."""

from ...beat_schedule import is_overdue
from ...schemas.archival import BatchResult, Trigger
from ...schemas.canonical import derived_id
from ...schemas.fields import now
from ...schemas.results import SweepAnswerDict
from .. import connections
from .lock import LOCK_SECS
from .page import Position
from .sending import send_batch, send_next_page, send_page, send_sweep
from .state import MAX_RESUMES, Sweep, Sweeps

LONGEST_SWEEP_SECS = 6 * 3600.0


def longest_sweep_secs() -> float:
    """Return how long a sweep may last: six hours, and never more than its interval."""
    return min(connections.config().scheduler.interval_hours * 3600, LONGEST_SWEEP_SECS)


def took_too_long() -> str:
    """Return the reason of a sweep that lasted longer than it may."""
    return f"took longer than {longest_sweep_secs() / 3600:g} hours"


def look_after(state: Sweeps, held_for: str | None) -> SweepAnswerDict:
    """Repair what is wrong with the sweeps; `held_for` is the service that their queue is held for, if it is.

    Returns what was done.
    """
    running = state.unfinished()
    if running is not None and state.close_if_done(running.sweep_id):
        return {"status": "closed", "sweep_id": running.sweep_id}
    # The walk and new attempts end at the longest time; what is in flight then has as long as a sweep may stall.
    if running is not None and running.age_secs > longest_sweep_secs() + LOCK_SECS:
        return _break_off(state, running.sweep_id, took_too_long())
    if held_for is not None:
        return _wait_for(state, running, held_for)
    if running is None:
        return _start_overdue(state)
    if state.lock.holder() is not None:
        return {"status": "running", "sweep_id": running.sweep_id}
    return _resume(state, running)


def _wait_for(state: Sweeps, running: Sweep | None, service: str) -> SweepAnswerDict:
    """Send nothing to a held queue; a sweep whose messages wait there has not stalled."""
    if running is not None:
        state.lock.take(running.sweep_id)
    return {"status": "held", "service": service}


def _start_overdue(state: Sweeps) -> SweepAnswerDict:
    scheduler = connections.config().scheduler
    last = next(state.newest(1), None)
    # A first sweep by the interval may start now; by the crontab it starts at its hour.
    overdue = is_overdue(scheduler, last.started_at, now()) if last else not scheduler.crontab
    if not scheduler.enabled or state.paused() or not overdue:
        return {"status": "nothing to do"}
    # Every watch derives the same id until a sweep has started: two beats send one sweep.
    sweep_id = derived_id("overdue", last.sweep_id if last else "first")
    send_sweep(Trigger.WATCH, sweep_id)
    return {"status": "overdue sweep sent", "sweep_id": sweep_id}


def _resume(state: Sweeps, stalled: Sweep) -> SweepAnswerDict:
    """Send again what a stalled sweep lacks: the same messages under the same ids."""
    sweep_id = stalled.sweep_id
    if state.count_resume(sweep_id) > MAX_RESUMES:
        return _break_off(state, sweep_id, f"stalled {MAX_RESUMES} times without progress")
    state.lock.take(sweep_id)
    for batch_id, ids in state.pending_batches(sweep_id).items():
        send_batch(sweep_id, batch_id, ids)
    if not stalled.walked:
        _resume_walk(state, sweep_id)
    return {"status": "resumed", "sweep_id": sweep_id}


def _resume_walk(state: Sweeps, sweep_id: str) -> None:
    page = state.page(sweep_id)
    if page is None:
        send_page(sweep_id, Position())
        return
    send_next_page(state, sweep_id, page)
    state.close_if_done(sweep_id)


def _break_off(state: Sweeps, sweep_id: str, reason: str) -> SweepAnswerDict:
    """End a sweep: its in-flight sessions count as failed unless they are known to be archived."""
    for batch_id, ids in state.pending_batches(sweep_id).items():
        done = state.marked(sweep_id, batch_id)
        failed = {session_id: reason for session_id in ids if session_id not in done}
        state.finish_batch(sweep_id, batch_id, ids, BatchResult(len(ids) - len(failed), failed))
    state.close(sweep_id, reason)
    return {"status": "incomplete", "sweep_id": sweep_id}
