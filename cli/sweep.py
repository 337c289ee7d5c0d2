"""`mgw sweep`: archive what is due now, or list what would be archived."""

import time
from typing import Any

import click
from celery.exceptions import TimeoutError as NoResult  # not the builtin one
from rich.console import Console

from ..delivery.held_queues.holds import PERSON
from ..schemas.archival import ArchivalStats
from ..schemas.fields import format_timestamp
from ..tasks.app import ARCHIVAL
from ..tasks.archival.preview import Candidate, candidates
from ..tasks.archival.row_faults import RowFaults
from ..tasks.archival.state import Status, sweeps
from ..tasks.archival.tasks import sweep
from .answering import answering_target
from .target import target_of
from .terminal.failure import Failure
from .terminal.output import or_null, show_json, show_table
from .terminal.wording import counted

TIMEOUT_SECS = 60.0
FIGURES = (
    *("sweep_id", "trigger", "status", "reason", "started_at", "finished_at"),
    *("total_processed", "archived_count", "failed_count", "skipped_count", "duration_ms", "success_rate"),
    *("unreadable_rows", "unknown_statuses"),
)


@click.command()
@click.option("--now", is_flag=True, help="Start a sweep and wait until it ends.")
@click.option("--dry-run", is_flag=True, help="List what would be archived; change nothing.")
@click.option("--wait/--no-wait", default=True, help="Wait until the sweep ends (default), or only send it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(now: bool, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Archive every session that is due now, or list the sessions that are due.

    A session is due if it is completed or failed, and ended (or else started) ARCHIVAL_AFTER_DAYS ago. A sweep needs
    a running worker. Exits with 1 if the sweep does not end as `completed`, or if a session failed.

    \b
    Example:
      mgw sweep --dry-run
      mgw sweep --now
    """
    if now == dry_run:
        given = "--now archives, and --dry-run changes nothing: both at once cannot be done. " if now else ""
        raise click.UsageError(f"{given}Pass --now to start a sweep, or --dry-run to list what is due.")
    if dry_run:
        preview(as_json)
    else:
        start(wait, as_json)


def preview(as_json: bool) -> None:
    """Print what a sweep would archive."""
    with Console(stderr=True).status("Listing the sessions …"):
        faults: list[RowFaults] = []
        found = list(candidates(faults))
    rows = sum(faults, RowFaults())
    if as_json:
        show_json(
            {
                "due": len(found),
                "content_bytes": sum(item.content_bytes for item in found),
                "problems": sum(bool(item.problem) for item in found),
                "unreadable_rows": rows.unreadable,
                "unknown_statuses": rows.unknown_statuses,
                "rows": rows.named,
                "sessions": [or_null(vars(item)) for item in found],
            }
        )
        return
    show_table(["session", "model", "why", "bytes", "problem"], [_row(item) for item in found], whole={"session"})
    if rows:
        show_table(["row of the Registry's listing", "problem"], list(rows.named.items()))
    total = sum(item.content_bytes for item in found)
    due = f"{counted(len(found), 'session')} {'is' if len(found) == 1 else 'are'} due"
    click.echo(f"{due}, {counted(total, 'byte')}. Nothing was changed.")


def start(wait: bool, as_json: bool) -> None:
    """Send a sweep, and wait until it ends."""
    answering_target(None)
    sweeps().paused()  # fails at once if Redis is down; Celery alone would try for 20 seconds
    sent = sweep.delay()
    if not wait:
        _tell({**dict.fromkeys(FIGURES), "status": "sent", "sweep_id": sent.id}, as_json)
        return
    try:
        result = sent.get(timeout=TIMEOUT_SECS)
    except NoResult as error:
        raise Failure(_untaken()) from error
    if result["status"] != "started":
        raise Failure(f"No sweep was started: {result['status']}." + _hint(result["status"]))
    ended = _follow(sent.id)
    _tell(ended, as_json)
    if ended["status"] != Status.COMPLETED or ended["failed_count"]:
        raise SystemExit(1)


def _untaken() -> str:
    then = " It waits in its queue, and starts then; do not send it again. To see it then: mgw sweeps list"
    waits_for = target_of(None).hold(ARCHIVAL)
    if waits_for:
        end = (
            f"a person releases it ({waits_for.why})" if waits_for.service == PERSON else f"{waits_for.service} is back"
        )
        return f"The sweep has not started: its queue is held until {end} (see: mgw queues)." + then
    return "No worker has taken the sweep. Is one running (celery -A memory_graph_workers.tasks.app worker)?" + then


def _follow(sweep_id: str) -> dict[str, Any]:
    state = sweeps()
    with Console(stderr=True).status("Archiving …") as status:
        while state.get(sweep_id).status is Status.RUNNING:
            status.update(f"Archiving … {state.stats(sweep_id).archived_count} archived")
            time.sleep(0.3)
    return summary(sweep_id)


def summary(sweep_id: str) -> dict[str, Any]:
    """The figures of a sweep, by the names in `FIGURES`."""
    state = sweeps()
    found, stats = state.get(sweep_id), state.stats(sweep_id)
    return {
        "sweep_id": sweep_id,
        "trigger": str(found.trigger),
        "status": str(found.status),
        "reason": found.reason or None,
        "started_at": format_timestamp(found.started_at),
        "finished_at": format_timestamp(found.finished_at) if found.finished_at else None,
        **_figures(stats),
        "unreadable_rows": found.row_faults.unreadable,
        "unknown_statuses": found.row_faults.unknown_statuses,
    }


def _figures(stats: ArchivalStats) -> dict[str, Any]:
    return {**vars(stats), "success_rate": round(stats.success_rate(), 1)}


def _tell(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(values)
    else:
        show_table(["field", "value"], [(name, value) for name, value in values.items() if value is not None])


def _row(item: Candidate) -> tuple[Any, ...]:
    note = f"skipped: {item.skipped}" if item.skipped else item.problem
    return item.session_id, item.model_id, item.why, item.content_bytes, note


def _hint(status: str) -> str:
    return " To resume sweeps: mgw sweeps resume" if status == "paused" else " See: mgw sweeps list"
