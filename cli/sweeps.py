"""`mgw sweeps`: what the sweeps did, and the switch that stops them."""

import click

from ..tasks.archival.tasks import sweeps
from .sweep import summary
from .terminal.failure import Failure
from .terminal.output import show_json, show_table


@click.group()
def command() -> None:
    """Look at past sweeps, or pause them.

    \b
    Example:
      mgw sweeps list
      mgw sweeps show SWEEP_ID
      mgw sweeps pause
    """


@command.command("list")
@click.option("--limit", default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(limit: int, as_json: bool) -> None:
    """List sweeps, newest first.

    \b
    Example:
      mgw sweeps list --limit 5
    """
    state = sweeps()
    found = [summary(sweep.sweep_id) for sweep in state.newest(limit)]
    if as_json:
        show_json({"paused": state.paused(), "sweeps": found})
        return
    columns = ["sweep_id", "started_at", "trigger", "status", "archived_count", "failed_count", "skipped_count"]
    show_table([*columns, "reason"], [[row[name] for name in [*columns, "reason"]] for row in found])
    if state.paused():
        click.echo("Sweeps are paused; let them start again with: mgw sweeps resume")


@command.command()
@click.argument("sweep_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(sweep_id: str, as_json: bool) -> None:
    """Show one sweep, and why each session that it could not archive was left.

    \b
    Example:
      mgw sweeps show 5f0c…
    """
    state = sweeps()
    try:
        values = summary(sweep_id)
    except KeyError as error:
        raise Failure(f"There is no sweep {sweep_id}; see: mgw sweeps list") from error
    failures, skipped = state.failures(sweep_id), state.skipped(sweep_id)
    if as_json:
        show_json({**values, "failures": failures, "skipped": skipped})
        return
    show_table(["what", "value"], list(values.items()))
    if failures or skipped:
        show_table(["session", "left because"], [*failures.items(), *skipped.items()])
        _tell_the_rest(values["failed_count"] - len(failures), values["skipped_count"] - len(skipped))


@command.command()
def pause() -> None:
    """Start no sweep any more; one under way stops after the batches in hand. Takes effect at once.

    \b
    Example:
      mgw sweeps pause
    """
    sweeps().pause()
    click.echo("Sweeps are paused. Let them start again with: mgw sweeps resume")


@command.command()
def resume() -> None:
    """Let sweeps start again.

    \b
    Example:
      mgw sweeps resume
    """
    sweeps().resume()
    click.echo("Sweeps start again when they are due.")


def _tell_the_rest(failed: int, skipped: int) -> None:
    if failed or skipped:
        click.echo(f"The reasons of {failed} more that failed and {skipped} more that were skipped were not kept.")
