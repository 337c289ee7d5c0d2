"""The archival sweep: beat sends it, pages walk the Registry, batches archive, a watch mends."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from ...beat_schedule import is_overdue
from ...clients.errors import IntegrationError, NotArchivable, TransientError
from ...clients.paging import Cursor
from ...delivery import installed
from ...schemas.archival import BatchResult, Trigger
from ...schemas.base import derived_id
from ...schemas.fields import Days, now
from ...schemas.vault import ComplianceLevel
from .. import connections, side_by_side
from ..app import ARCHIVAL
from ..operation import task
from . import storing as archiving
from .batch import Batch
from .page import Page, Position
from .state import MAX_RESUMES, Sweep, Sweeps
from .storing import Prepared, Stored
from .walk import list_page

LONGEST_SWEEP_SECS = 6 * 3600.0


def sweeps() -> Sweeps:
    """The state of sweeps."""
    return Sweeps(connections.redis())


@task("archival.sweep")
def sweep(self: Any, trigger: Trigger = Trigger.MANUAL) -> dict[str, str]:
    """Start a sweep over the Registry's sessions, unless one runs; its id is this task's."""
    state, scheduler = sweeps(), connections.config().scheduler
    if state.paused():
        return {"status": "paused"}
    running = state.unfinished()
    if running is not None and running.sweep_id != self.request.id:
        return {"status": "running already", "sweep_id": running.sweep_id}
    last = None if running else next(state.newest(1), None)  # delivered again, it is its own last
    if trigger is Trigger.BEAT and last and not is_overdue(scheduler, last.started_at, now(), early=True):
        return {"status": "not due yet", "sweep_id": last.sweep_id}
    if not state.begin(self.request.id, trigger, scheduler.cutoff(now())):
        return {"status": "running already", "sweep_id": state.lease_holder() or self.request.id}
    _send_page(self.request.id, Position())
    return {"status": "started", "sweep_id": self.request.id}


@task("archival.walk_page", inner=True)
def walk_page(self: Any, sweep_id: str, pass_number: int, index: int, cursor: dict[str, Any]) -> None:
    """List the Registry's sessions until a batch is full, send the due ones, then the next page if there is room."""
    state, here = sweeps(), Position(pass_number, index, Cursor(**cursor))
    running = state.progress(sweep_id)
    if running is None:
        return
    if running.walked:  # whoever ended the walk may have died before it could close
        state.close_if_done(sweep_id)
        return
    if state.paused():
        state.end_walk(sweep_id, "paused")
    else:
        try:
            _walk(state, running, here)
        except TransientError:
            if self.request.retries < self.max_retries and running.age_secs < _longest_secs():
                raise
            state.end_walk(sweep_id, "the registry did not answer")
        except IntegrationError as error:
            state.end_walk(sweep_id, f"the listing failed: {error}")
    state.close_if_done(sweep_id)


@task("archival.archive_batch", inner=True)
def archive_batch(self: Any, sweep_id: str, session_ids: list[str]) -> None:
    """Archive these sessions of a sweep; only what failed and can succeed is tried again."""
    state, batch_id = sweeps(), str(self.request.id)
    running = state.progress(sweep_id)
    if running is None:
        return
    if not state.is_pending(sweep_id, batch_id):  # delivered twice; the first may have died before it said so
        _after_batch(state, sweep_id, state.is_called(sweep_id, _most_batches()))
        return
    batch = Batch(state, running, batch_id)
    batch.run(session_ids)
    if batch.made_progress:
        self.request.retries = max(0, self.request.retries - 1)
    if batch.unsettled and self.request.retries < self.max_retries and running.age_secs < _longest_secs():
        raise self.longest_wait(batch.unsettled.values())
    batch.give_up()
    calls = state.finish_batch(sweep_id, batch_id, session_ids, batch.result(), _most_batches())
    _after_batch(state, sweep_id, calls)


@task("archival.watch", keep_dead_letter=False)  # the next one comes in a minute
def watch(self: Any) -> dict[str, str]:
    """Start a sweep that is overdue, take up one that stalled, close one that broke; mind the dead letters' bounds."""
    delivery = installed(self.app)
    delivery.dead_letters.mind()
    state = sweeps()
    running = state.unfinished()
    if running is not None and state.close_if_done(running.sweep_id):
        return {"status": "closed", "sweep_id": running.sweep_id}
    held = delivery.holds.strictest(delivery.needs[ARCHIVAL])
    if held is not None and not held.permits:
        return _wait_for(state, running, held.service)
    if running is None:
        return _start_overdue(state)
    if state.lease_holder() is not None:
        return {"status": "running", "sweep_id": running.sweep_id}
    return _resume(state, running)


@task("archival.archive_session")
def archive_session(self: Any, session_id: str) -> dict[str, str]:
    """Archive one session now, whatever its age; its status stays, and the sweep marks it when it is due.

    Raises: NotArchivable with the reason.
    """
    stored = _archive_by_hand([session_id], ["manual"], str(self.request.id))
    if session_id in stored["failed"]:
        raise NotArchivable(stored["failed"][session_id])
    return {"session_id": session_id, "archive_id": stored["archived"][session_id]}


@task("archival.archive_sessions")
def archive_sessions(self: Any, session_ids: list[str]) -> dict[str, dict[str, str]]:
    """Archive these sessions now; answers the archive id of each, or why it was not archived."""
    return _archive_by_hand(session_ids, ["manual", "batch"], str(self.request.id))


@task("archival.create_compliance_policy")
def create_compliance_policy(self: Any, level: ComplianceLevel) -> str:
    """Create the retention policy of a compliance level (its days, its name as tag, no automatic deletion)."""
    return archiving.ensure_policy(level, level.retention_days)


@task("archival.create_standard_policy")
def create_standard_policy(self: Any, retention_days: Annotated[int, Days]) -> str:
    """Create a standard retention policy of so many days."""
    return archiving.ensure_policy(ComplianceLevel.STANDARD, retention_days)


def _walk(state: Sweeps, running: Sweep, here: Position) -> None:
    """Do one page; one that was done before sends again what is still to be done, one that is long past nothing."""
    last = state.page(running.sweep_id)
    if last is None or last.position.is_before(here):
        page = list_page(state, running, here, last)
        last = page if state.keep_page(running.sweep_id, page) else state.page(running.sweep_id)
    if last and not here.is_before(last.position):
        _send_on(state, running.sweep_id, last)


def _send_on(state: Sweeps, sweep_id: str, page: Page) -> None:
    for batch_id, ids in page.batches.items():
        _send_batch(sweep_id, batch_id, ids)
    _send_next(state, sweep_id, page)


def _send_next(state: Sweeps, sweep_id: str, page: Page) -> None:
    following = page.next_position
    if following is None:
        state.end_walk(sweep_id, page.why_incomplete)
    elif not state.waits_for_room(sweep_id, _most_batches()):
        _send_page(sweep_id, following)


def _after_batch(state: Sweeps, sweep_id: str, walk_is_called: bool) -> None:
    page = state.page(sweep_id) if walk_is_called else None
    if page:
        _send_next(state, sweep_id, page)
    state.close_if_done(sweep_id)


def _send_page(sweep_id: str, to: Position) -> None:
    arguments = (sweep_id, to.pass_number, to.index, asdict(to.cursor))
    walk_page.apply_async(arguments, task_id=derived_id("page", *arguments))


def _send_batch(sweep_id: str, batch_id: str, ids: Sequence[str]) -> None:
    archive_batch.apply_async((sweep_id, list(ids)), task_id=batch_id)


def _most_batches() -> int:
    return connections.config().scheduler.most_batches


def _wait_for(state: Sweeps, running: Sweep | None, service: str) -> dict[str, str]:
    """Send nothing to a queue that is held; a sweep whose messages wait there has not stalled."""
    if running is not None:
        state.take_lease(running.sweep_id)
    return {"status": "held", "service": service}


def _start_overdue(state: Sweeps) -> dict[str, str]:
    scheduler = connections.config().scheduler
    last = next(state.newest(1), None)
    # A first sweep by the interval may start now; by the crontab it starts at its hour.
    overdue = is_overdue(scheduler, last.started_at, now()) if last else not scheduler.crontab
    if not scheduler.enabled or state.paused() or not overdue:
        return {"status": "nothing to do"}
    # The same id from every watch until a sweep has started: two beats send one sweep.
    sweep_id = derived_id("overdue", last.sweep_id if last else "first")
    sweep.apply_async((Trigger.WATCH,), task_id=sweep_id)
    return {"status": "overdue sweep sent", "sweep_id": sweep_id}


def _resume(state: Sweeps, stalled: Sweep) -> dict[str, str]:
    """Send again what a stalled sweep lacks: the same messages, with the same ids."""
    sweep_id = stalled.sweep_id
    if state.count_resume(sweep_id) > MAX_RESUMES:
        return _break_off(state, sweep_id)
    state.take_lease(sweep_id)
    for batch_id, ids in state.pending_batches(sweep_id).items():
        _send_batch(sweep_id, batch_id, ids)
    if not stalled.walked:
        _resend_page(state, sweep_id)
    return {"status": "resumed", "sweep_id": sweep_id}


def _resend_page(state: Sweeps, sweep_id: str) -> None:
    page = state.page(sweep_id)
    if page is None:
        _send_page(sweep_id, Position())
        return
    _send_next(state, sweep_id, page)
    state.close_if_done(sweep_id)


def _break_off(state: Sweeps, sweep_id: str) -> dict[str, str]:
    reason = f"stalled {MAX_RESUMES} times without progress"
    for batch_id, ids in state.pending_batches(sweep_id).items():
        done = state.marked(sweep_id, batch_id)
        failed = {session_id: reason for session_id in ids if session_id not in done}
        state.finish_batch(sweep_id, batch_id, ids, BatchResult(len(ids) - len(failed), failed))
    state.close(sweep_id, reason)
    return {"status": "incomplete", "sweep_id": sweep_id}


def _archive_by_hand(session_ids: Sequence[str], tags: list[str], key: str) -> dict[str, dict[str, str]]:
    scheduler = connections.config().scheduler
    failed: dict[str, str] = {}

    def prepared(session_id: str) -> Prepared | None:
        try:
            return archiving.prepare(archiving.read_session(session_id), tags, scheduler, {})
        except NotArchivable as error:
            failed[session_id] = str(error)
            return None

    ready = [item for item in side_by_side.results(prepared, dict.fromkeys(session_ids)) if item]
    if not ready:
        return {"archived": {}, "failed": failed}
    policy_id = archiving.ensure_policy(scheduler.default_compliance_level, scheduler.retention_days)
    stored = archiving.store(ready, key)
    for error in stored.unsettled.values():
        raise error
    failed |= stored.refused | _kept_under(policy_id, ready, stored)
    archived = {session_id: kept for session_id, kept in stored.archive_ids.items() if session_id not in failed}
    return {"archived": archived, "failed": failed}


def _kept_under(policy_id: str, ready: Sequence[Prepared], stored: Stored) -> dict[str, str]:
    """Put archives under their policy; returns why that failed, by session."""
    failed: dict[str, str] = {}
    for item in ready:
        session_id = item.session.session_id
        try:
            if session_id in stored.archive_ids:
                archiving.finish(item, stored.archive_ids[session_id], policy_id, mark=False)
        except NotArchivable as error:
            failed[session_id] = str(error)
    return failed


def _longest_secs() -> float:
    """A sweep does not outlive its interval: what is unsettled then fails with its reason."""
    return min(connections.config().scheduler.interval_hours * 3600, LONGEST_SWEEP_SECS)
