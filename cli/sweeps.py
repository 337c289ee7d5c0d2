"""`mgw sweeps`: show past sweeps; pause and resume sweeps."""

from typing import Any

import click

from ..schemas.fields import parse_timestamp
from ..tasks.archival.state import Sweeps, sweeps
from .answering import answering_target
from .sweep import summary
from .terminal.failure import Failure
from .terminal.group import Group
from .terminal.output import show_json, show_table
from .terminal.wording import ago

_COLUMNS = ["sweep_id", "started", "trigger", "status", "archived", "failed", "skipped", "reason"]


@click.group(cls=Group)
def command() -> None:
    """Show past sweeps; pause and resume sweeps.

    \b
    Example:
      mgw sweeps list
      mgw sweeps show SWEEP_ID
      mgw sweeps pause
    """


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(limit: int, as_json: bool) -> None:
    """List sweeps, newest first.

    \b
    Example:
      mgw sweeps list --limit 5
    """
    state = _state()
    found = [summary(sweep.sweep_id) for sweep in state.newest(limit)]
    if as_json:
        show_json({"paused": state.paused(), "sweeps": found})
        return
    show_table(_COLUMNS, [_row(sweep) for sweep in found], whole={"sweep_id", "started"})
    if state.paused():
        click.echo("Sweeps are paused. To resume them: mgw sweeps resume")


@command.command()
@click.argument("sweep_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(sweep_id: str, as_json: bool) -> None:
    """Show one sweep, why it did not archive a session, and which rows of the listing it could not use.

    \b
    Example:
      mgw sweeps show 5f0c…
    """
    state = _state()
    try:
        values = summary(sweep_id)
    except KeyError as error:
        raise Failure(f"There is no sweep {sweep_id}. To list sweeps: mgw sweeps list") from error
    failures, skipped, faults = state.failures(sweep_id), state.skipped(sweep_id), state.get(sweep_id).row_faults
    if as_json:
        show_json({**values, "failures": failures, "skipped": skipped, "rows": faults.named})
        return
    show_table(["field", "value"], list(values.items()))
    if failures or skipped:
        show_table(["session", "reason"], [*failures.items(), *skipped.items()], whole={"session"})
        _tell_the_rest(values["failed_count"] - len(failures), values["skipped_count"] - len(skipped))
    if faults:
        show_table(["row of the Registry's listing", "problem"], list(faults.named.items()))
        _tell_rows(faults.count - len(faults.named))


@command.command()
def pause() -> None:
    """Stop sweeps from starting, at once; a running sweep ends after its batches in flight.

    \b
    Example:
      mgw sweeps pause
    """
    _state().pause()
    click.echo("Sweeps are paused. To resume them: mgw sweeps resume")


@command.command()
def resume() -> None:
    """Let sweeps start again when they are due.

    \b
    Example:
      mgw sweeps resume
    """
    _state().resume()
    click.echo("Sweeps are resumed; the next one starts when it is due.")


def _row(sweep: dict[str, Any]) -> list[Any]:
    counts = [sweep[f"{name}_count"] for name in ("archived", "failed", "skipped")]
    started = ago(parse_timestamp(sweep["started_at"]))
    return [sweep["sweep_id"], started, sweep["trigger"], sweep["status"], *counts, sweep["reason"]]


def _tell_rows(unnamed: int) -> None:
    if unnamed:
        click.echo(f"Not listed: {unnamed} more rows; their names were not kept.")


def _tell_the_rest(failed: int, skipped: int) -> None:
    if failed or skipped:
        click.echo(
            f"Not listed: {failed} more that failed and {skipped} more that were skipped; their reasons were not kept."
        )


def _state() -> Sweeps:
    answering_target(None)
    return sweeps()
