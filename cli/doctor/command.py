"""`mgw doctor`: check everything that can lose tasks, and say how to fix it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from rich.console import Console

from ...clients.errors import InvalidConfig
from ...tasks.config import WorkerConfig
from ..target import Target, app_option, target_of
from ..terminal.output import show_json, show_table
from ..terminal.wording import counted
from .finding import Check, Finding, State
from .held import check_held
from .messages import check_keys, check_other_queues, check_stores, check_timeout, check_waiting
from .redis_server import check_all
from .services import check_memory_graph, check_registry, check_vault
from .sweeps import check_sweeps
from .versions import check_versions
from .workers import check_workers


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


def examine_ours() -> list[Finding]:
    """The findings about this package's own app, its services and its sweeps."""
    try:
        config, target = WorkerConfig.from_env(), target_of(None)
    except InvalidConfig as error:
        fix = (
            "Correct what is named in the environment of the workers; docs/reference.md says what each setting may be."
        )
        return [Finding("settings", State.FAILURE, line, fix) for line in error.message.splitlines()]
    services = {
        "registry": partial(check_registry, config),
        "vault": partial(check_vault, config),
        "memory-graph": partial(check_memory_graph, config),
    }
    limit = Finding("time limit", State.OK, f"{config.tasks.time_limit_secs:g} s; the lease is renewed meanwhile")
    return [limit, *examine({**checks_of(target), **services, "sweeps": check_sweeps})]


def checks_of(target: Target) -> dict[str, Check]:
    """The checks that make sense for any app, by name."""
    _ = target.queues  # looked up now: that adds to the app's queues, and the checks run in threads beside each other
    return {
        "versions": check_versions,
        "timeout": partial(check_timeout, target),
        "redis": partial(check_all, target),
        "workers": partial(check_workers, target),
        "keys": partial(check_keys, target),
        "other queues": partial(check_other_queues, target),
        "waiting": partial(check_waiting, target),
        "stores": partial(check_stores, target),
        "held": partial(check_held, target),
    }


def examine(checks: dict[str, Check]) -> list[Finding]:
    """The findings of all checks, which run in parallel; a check that cannot be made is a failure of its own."""
    with ThreadPoolExecutor(len(checks)) as pool:
        found = list(pool.map(_made, checks, checks.values()))
    return [finding for group in found for finding in group]


def _made(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except (RedisError, OperationalError) as error:
        return [Finding(name, State.SKIPPED, f"not checked: Redis does not serve it ({type(error).__name__})")]
    except Exception as error:  # noqa: BLE001  a check that breaks must not hide the others
        fix = "Mend what is found about Redis and the services, then run mgw doctor again."
        return [Finding(name, State.FAILURE, f"could not be checked ({type(error).__name__})", fix)]


def _show(findings: list[Finding]) -> None:
    marks = {State.OK: "✓", State.WARNING: "!", State.FAILURE: "✗", State.SKIPPED: "-"}
    rows: list[list[Any]] = [[marks[one.state], one.check, one.found, one.fix] for one in findings]
    show_table(["", "check", "found", "what to do"], rows)
    counts = {state: sum(one.state is state for one in findings) for state in State}
    warnings, failures = counted(counts[State.WARNING], "warning"), counted(counts[State.FAILURE], "failure")
    skipped = f", {counts[State.SKIPPED]} not checked" if counts[State.SKIPPED] else ""
    click.echo(f"{counts[State.OK]} ok, {warnings}, {failures}{skipped}.")
