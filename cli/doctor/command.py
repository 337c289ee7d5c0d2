"""`mgw doctor`: connects to everything, and says what loses jobs and how to mend it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from rich.console import Console

from ...clients.errors import InvalidConfig
from ...tasks.config import WorkerConfig
from ..terminal.output import show_json, show_table
from . import fleet as doctor_fleet
from . import redis_server as doctor_redis
from . import services as doctor_services
from .finding import Check, Finding, State


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Connect to everything and check what loses jobs, each with its fix. Changes nothing.

    Run it with the workers' environment. Exit code 1 where a check fails; warnings alone are 0. As a readiness
    probe it takes a few seconds.

    \b
    Example:
      mgw doctor
      mgw doctor --json
    """
    with Console(stderr=True).status("Looking …"):
        findings = examine()
    failed = any(finding.state is State.FAILURE for finding in findings)
    if as_json:
        show_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if failed:
        raise SystemExit(1)


def examine() -> list[Finding]:
    """Run every check, side by side; one that cannot be made is a failure of its own."""
    try:
        config = WorkerConfig.from_env()
    except InvalidConfig as error:
        return [Finding("settings", State.FAILURE, error.message, "Set the variables that are named.")]
    checks: dict[str, Check] = {
        "versions": doctor_fleet.check_versions,
        "limits": partial(doctor_fleet.check_limits, config),
        "redis": partial(doctor_redis.check_all, config.broker),
        "registry": partial(doctor_services.check_registry, config),
        "vault": partial(doctor_services.check_vault, config),
        "memory-graph": partial(doctor_services.check_memory_graph, config),
        "workers": partial(doctor_fleet.check_workers, config),
        "waiting": partial(doctor_fleet.check_waiting, config.broker),
        "store": partial(doctor_fleet.check_store, config),
    }
    with ThreadPoolExecutor(len(checks)) as pool:
        found = list(pool.map(_made, checks, checks.values()))
    return [finding for group in found for finding in group]


def _made(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  what keeps one check from being made must not hide the others
        fix = "See the findings about Redis and the services."
        return [Finding(name, State.FAILURE, f"could not be looked at ({type(error).__name__})", fix)]


def _show(findings: list[Finding]) -> None:
    marks = {State.OK: "✓", State.WARNING: "!", State.FAILURE: "✗"}
    rows: list[list[Any]] = [[marks[one.state], one.check, one.found, one.fix] for one in findings]
    show_table(["", "check", "found", "what to do"], rows)
    counts = {state: sum(one.state is state for one in findings) for state in State}
    click.echo(f"{counts[State.OK]} fine, {counts[State.WARNING]} warnings, {counts[State.FAILURE]} failures.")
