"""`mgw doctor`: check everything that can lose tasks, and say how to fix it."""

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from ..target import app_option, target_of
from ..terminal.output import show_json, show_table
from ..terminal.wording import counted
from .checks import checks_of, examine, examine_ours
from .finding import Finding, State


@click.command(name="doctor")
@app_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(app_name: str | None, as_json: bool) -> None:
    """Connect to everything, check what can lose tasks, and say how to fix it. Changes nothing.

    Run it with the environment of the workers. Exits with 1 if a check fails, but not for warnings. It takes a few
    seconds, also as a readiness probe. With --app it checks Redis, workers, queues and dead letters of your own app.

    \b
    Example:
      mgw doctor
      mgw doctor --json
      mgw doctor --app shop:app
    """
    with Console(stderr=True).status("Checking …"):
        findings = examine_ours() if app_name is None else examine(checks_of(target_of(app_name)))
    failed = any(finding.state is State.FAILURE for finding in findings)
    if as_json:
        show_json({"ok": not failed, "findings": [{**asdict(one), "fix": one.fix or None} for one in findings]})
    else:
        _show(findings)
    if failed:
        raise SystemExit(1)


def _show(findings: list[Finding]) -> None:
    marks = {State.OK: "✓", State.WARNING: "!", State.FAILURE: "✗", State.SKIPPED: "-"}
    rows: list[list[Any]] = [[marks[one.state], one.check, one.found, one.fix] for one in findings]
    show_table(["", "check", "found", "what to do"], rows)
    counts = {state: sum(one.state is state for one in findings) for state in State}
    warnings, failures = counted(counts[State.WARNING], "warning"), counted(counts[State.FAILURE], "failure")
    skipped = f", {counts[State.SKIPPED]} not checked" if counts[State.SKIPPED] else ""
    click.echo(f"{counts[State.OK]} ok, {warnings}, {failures}{skipped}.")
