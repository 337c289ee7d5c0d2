"""`make bench`: measure ours and the peers side by side, judge the goals, and write docs/benchmarks.md.

`python benchmarks/bench.py [PART …] [--json]`. A part that is run writes its section again; the others stay. The first
word of a name runs every part that begins with it: `drain`, `whole`.
"""

import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import archiving
import calls
import click
import drain
import enqueue
import events
import fleet
import page
import results
import startup
import walk
import whole
import whole_archiving
import whole_faults
import whole_single
from goals import judged
from results import Outcome
from rich.console import Console
from rich.table import Table
from rig import Rig, rig

PARTS: dict[str, Callable[[Rig, int], Outcome]] = {
    "drain-0ms": partial(drain.part, delay_ms=0),
    "drain-10ms": partial(drain.part, delay_ms=10),
    "enqueue": enqueue.part,
    "calls": calls.part,
    "events": events.part,
    "archiving": archiving.part,
    "walk": walk.part,
    "startup": startup.part,
    "fleet": fleet.part,
    "whole-usage": whole.part,
    "whole-archiving": whole_archiving.part,
    "whole-single": whole_single.part,
    "whole-faults": whole_faults.part,
}
GROUPS = list(dict.fromkeys([*PARTS, *(name.partition("-")[0] for name in PARTS)]))
COLOURS = {"met": "green", "missed": "red", "not measured": "yellow"}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(GROUPS))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON instead of tables.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="How often each is measured.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Write docs/benchmarks.md and .json.")
def main(parts: tuple[str, ...], as_json: bool, rounds: int, keep: bool) -> None:
    """Measure PARTS, or all; contenders take turns, and the median of the rounds counts."""
    measured: dict[str, Any] = {}
    with rig() as running:
        for name in named(parts):
            began = time.monotonic()
            found = PARTS[name](running, rounds)
            secs = round(time.monotonic() - began)
            click.echo(f"{name}: measured in {secs} s", err=True)
            measured[name] = results.as_json(found) | facts(rounds, secs)
            if keep:  # at once: what a later part breaks must not take this one along
                kept = page.read() | measured
                page.write({name: kept[name] for name in PARTS if name in kept})
    if as_json:
        click.echo(json.dumps(measured, indent=2))
    else:
        show({name: results.from_json(one) for name, one in measured.items()})


def named(asked: Sequence[str]) -> list[str]:
    """The parts that were asked for, by their names or the first word of them; all if none was."""
    return [name for name in PARTS if not asked or name in asked or name.partition("-")[0] in asked]


def facts(rounds: int, secs: int) -> dict[str, Any]:
    """When and where a part was measured."""
    return {
        "rounds": rounds,
        "secs": secs,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {page.processors()} processors",
    }


def show(measured: dict[str, Outcome]) -> None:
    """Print the table of goals, then what was measured."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    goals = Table("what", "goal", "figure", "at", "verdict", title="Goals")
    for one in judged(figure for found in measured.values() for figure in found.figures):
        if one.figure is not None:
            shown = results.spread(one.figure.rounds, 2)
            verdict = f"[{COLOURS[one.verdict]}]{one.verdict}[/]"
            goals.add_row(one.goal.what, one.goal.text, shown, one.figure.at, verdict)
    console.print(goals)
    for found in measured.values():
        for table in found.tables:
            printed = Table(*table.header, title=table.title)
            for row in table.rows:
                printed.add_row(*row)
            console.print(printed)


if __name__ == "__main__":
    main()
