"""The Celery tasks of archiving: the sweep with its pages and batches, the watch over it, and archiving by hand."""

from typing import Annotated, Any

from ...beat_schedule import is_overdue
from ...clients.errors import NotArchivable, TransientError
from ...clients.paging import Cursor
from ...delivery import installed
from ...schemas.archival import Trigger
from ...schemas.fields import Days, now
from ...schemas.results import ArchivedByHandDict, ArchivedSessionDict, SweepAnswerDict
from ...schemas.vault import ComplianceLevel
from .. import connections
from ..app import ARCHIVAL
from ..failed_items import tell_failed
from ..operation import task
from . import by_hand
from .batch import Batch
from .page import Position
from .reasons import CONCERNS_ALL, reason_of
from .sending import most_batches, send_after_batch, send_page, send_page_results
from .state import Sweep, sweeps
from .storing import ensure_policy, level_policy
from .walk import page_at
from .watching import longest_sweep_secs, look_after, took_too_long


@task("archival.sweep")
def sweep(self: Any, trigger: Trigger = Trigger.MANUAL) -> SweepAnswerDict:
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
        return {"status": "running already", "sweep_id": state.lock.holder() or self.request.id}
    send_page(self.request.id, Position())
    return {"status": "started", "sweep_id": self.request.id}


@task("archival.walk_page", inner=True)
def walk_page(self: Any, sweep_id: str, pass_number: int, index: int, cursor: dict[str, Any]) -> None:
    """List the Registry's sessions until a batch is full, send the due ones, then the next page if there is room."""
    state, here = sweeps(), Position(pass_number, index, Cursor(**cursor))
    running = state.progress(sweep_id)
    if running is None:
        return
    if not running.walked and running.age_secs > longest_sweep_secs():
        state.end_walk(sweep_id, took_too_long())
    elif not running.walked and not state.paused():
        try:
            if page := page_at(state, running, here):
                send_page_results(state, sweep_id, page)
        except TransientError:
            if _may_try_again(self, running):
                raise
            state.end_walk(sweep_id, "the registry did not answer")
        except CONCERNS_ALL:
            raise
        except Exception as error:  # noqa: BLE001  the end of this walk: the sweep must not wait for it
            state.end_walk(sweep_id, f"the listing failed: {reason_of(error)}")
    elif not running.walked:
        state.end_walk(sweep_id, "paused")
    state.close_if_done(sweep_id)  # also if the walk ended before: the worker that ended it may have died


@task("archival.archive_batch", inner=True)
def archive_batch(self: Any, sweep_id: str, session_ids: list[str]) -> None:
    """Archive a batch of a sweep; an attempt that follows takes only what failed and can succeed."""
    state, batch_id = sweeps(), str(self.request.id)
    running = state.progress(sweep_id)
    if running is None:
        return
    if not state.is_pending(sweep_id, batch_id):  # delivered twice; the first worker may have died before it sent
        send_after_batch(state, sweep_id, state.walk_may_resume(sweep_id, most_batches()))
        return
    batch = Batch(state, running, batch_id, is_last_attempt=not _may_try_again(self, running))
    batch.run(session_ids)
    if batch.made_progress:
        self.request.retries = max(0, self.request.retries - 1)
    if batch.unsettled and _may_try_again(self, running):
        raise self.longest_wait(batch.unsettled.values())
    batch.give_up()
    batch.tell()
    walk_may_resume = state.finish_batch(sweep_id, batch_id, session_ids, batch.result(), most_batches())
    send_after_batch(state, sweep_id, walk_may_resume)


@task("archival.watch", keep_dead_letter=False)  # the next one comes in a minute
def watch(self: Any) -> SweepAnswerDict:
    """Start an overdue sweep, resume a stalled one, end a broken one."""
    held = installed(self.app).holds.of_queue(ARCHIVAL)
    return look_after(sweeps(), held.service if held is not None and not held.permits else None)


@task("archival.archive_session")
def archive_session(self: Any, session_id: str) -> ArchivedSessionDict:
    """Read a session's conversation from the graph and archive it now, whatever its age.

    Its status stays; the sweep changes it when it is due. To store an entry that you made yourself, use
    `vault.archive_session`.
    Raises: NotArchivable with the reason.
    """
    stored = _archived_by_hand(self, [session_id], ["manual"])
    if session_id in stored["failed"]:
        raise NotArchivable(stored["failed"][session_id])
    return {"session_id": session_id, "archive_id": stored["archived"][session_id]}


@task("archival.archive_sessions")
def archive_sessions(self: Any, session_ids: list[str]) -> ArchivedByHandDict:
    """Archive these sessions now; returns the archive id of each, or why it was not archived."""
    found = _archived_by_hand(self, session_ids, ["manual", "batch"])
    others = f"{len(found['archived'])} archived"
    tell_failed("session", found["failed"], others, "The task's result names each; archive them again once repaired")
    return found


@task("archival.create_compliance_policy")
def create_compliance_policy(self: Any, level: ComplianceLevel) -> str:
    """Create the retention policy of a compliance level (its days, its name as tag, no automatic deletion)."""
    return ensure_policy(level_policy(level, level.retention_days))


@task("archival.create_standard_policy")
def create_standard_policy(self: Any, retention_days: Annotated[int, Days]) -> str:
    """Create a standard retention policy of so many days."""
    return ensure_policy(level_policy(ComplianceLevel.STANDARD, retention_days))


def _archived_by_hand(self: Any, session_ids: list[str], tags: list[str]) -> ArchivedByHandDict:
    is_last_attempt = self.request.retries >= self.max_retries
    return by_hand.archive(session_ids, tags, str(self.request.id), is_last_attempt=is_last_attempt)


def _may_try_again(self: Any, running: Sweep) -> bool:
    """Whether attempts are left, and the sweep is young enough: it must not outlive its interval."""
    return self.request.retries < self.max_retries and running.age_secs < longest_sweep_secs()
