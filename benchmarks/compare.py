"""`make compare`: what two faults do to jobs of ours, of plain Celery, of taskiq and of Procrastinate.

`python benchmarks/compare.py [FAULT …] [--json]`. A whole run writes its tables into docs/comparison.md.
"""

import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

import click
from comparison import page
from comparison.contenders import CONTENDERS, Contender
from comparison.faults import FAULTS, Outcome, Plan, Step
from comparison.running import started
from memory_graph_workers.cli.stack.directory import temporary_directory
from rich.console import Console
from rich.table import Table
from support.postgres import postgres  # on the path since comparison.running

TURN_SECS = 0.02


@click.command()
@click.argument("faults", nargs=-1, type=click.Choice([*FAULTS]))
@click.option("--secs", default=Plan.away_secs, show_default=True, help="How long the service is away.")
@click.option("--jobs", default=Plan.waiting_jobs, show_default=True, help="How many jobs wait for the service.")
@click.option("--still", default=Plan.still_secs, show_default=True, help="Seconds to look for what is done twice.")
@click.option("--only", multiple=True, type=click.Choice([one.name for one in CONTENDERS]), help="Leave others out.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON instead of tables.")
def main(faults: tuple[str, ...], secs: float, jobs: int, still: float, only: tuple[str, ...], as_json: bool) -> None:
    """Run FAULTS, or both, for all systems side by side; a whole run writes docs/comparison.md.

    Example: python benchmarks/compare.py away --only 'this package' --secs 10 --jobs 20
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that all is stopped
    plan = replace(Plan(), away_secs=secs, waiting_jobs=jobs, still_secs=still)
    chosen = [one for one in CONTENDERS if not only or one.name in only]
    found = {fault: run(fault, chosen, plan) for fault in faults or FAULTS}
    if not only and set(found) == set(FAULTS):
        page.write(found, plan)
    if as_json:
        click.echo(
            json.dumps({fault: {name: shown(one) for name, one in all_.items()} for fault, all_ in found.items()})
        )
    else:
        show(found, plan)


def run(fault: str, contenders: Sequence[Contender], plan: Plan) -> dict[str, Outcome]:
    """One fault, for these contenders side by side."""
    missing = [one for one in contenders if not one.python.exists()]
    if missing:
        raise click.ClickException(f"{missing[0].python} is missing. Run: make compare")
    with ExitStack() as opened:
        server = opened.enter_context(postgres()) if any(one.prepare for one in contenders) else None
        directory, children = opened.enter_context(temporary_directory(keep_logs=False))
        children.grace_secs = 1.0  # what a run leaves unfinished is wanted by nobody
        running = opened.enter_context(started(contenders, children, directory, server))
        click.echo(f"{fault}: started", err=True)
        outcomes = side_by_side({one.contender.name: FAULTS[fault](one, plan) for one in running})
    return {one.name: outcomes[one.name] for one in contenders}


def side_by_side(steps: Mapping[str, Step]) -> dict[str, Outcome]:
    """Let all take turns until each has its outcome."""
    left, outcomes = dict(steps), dict[str, Outcome]()
    while left:
        for name, step in [*left.items()]:
            try:
                next(step)
            except StopIteration as stopped:
                outcomes[name] = stopped.value
                del left[name]
                click.echo(f"{name}: {outcomes[name].done} of {outcomes[name].sent} done", err=True)
        time.sleep(TURN_SECS)
    return outcomes


def shown(one: Outcome) -> dict[str, object]:
    """An outcome as JSON."""
    return {**asdict(one), "lost": one.lost, "who_acts": page.who_acts(one)}


def show(found: Mapping[str, Mapping[str, Outcome]], plan: Plan) -> None:
    """Print the tables of the page."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    for fault, outcomes in found.items():
        printed = Table("system", *page.COLUMNS, *page.FAULT_COLUMNS[fault], title=fault)
        for name, one in outcomes.items():
            printed.add_row(*page.row(fault, name, one, plan))
        console.print(printed)


if __name__ == "__main__":
    main()
