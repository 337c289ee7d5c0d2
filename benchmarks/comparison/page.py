"""docs/comparison.md: its three tables, out of what was run."""

import json
import os
import re
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from comparison.contenders import CONTENDERS, Contender
from comparison.faults import Outcome, Plan
from comparison.running import servers

PAGE = Path(__file__).parent.parent.parent / "docs" / "comparison.md"
VERSIONS = (
    "import importlib.metadata, json, sys; print(json.dumps(list(map(importlib.metadata.version, sys.argv[1:]))))"
)
COLUMNS = ("jobs", "done", "lost", "done twice", "failed", "all done after", "who has to act")
FAULT_COLUMNS = {"killed": ("interrupted jobs",), "away": ("calls in vain", "most for one job")}


def write(found: Mapping[str, Mapping[str, Outcome]], plan: Plan) -> None:
    """Write the tables of a whole run into the page."""
    text = PAGE.read_text()
    made = {"contenders": contenders(), "plan": described(plan)}
    made |= {fault: results(fault, outcomes, plan) for fault, outcomes in found.items()}
    for name, block in made.items():
        text = filled(text, name, block)
    PAGE.write_text(text)


def filled(text: str, name: str, block: str) -> str:
    """The text with a block between its marks, in place of what was there."""
    marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(text):
        raise LookupError(f"{PAGE.name} has no <!-- {name} -->: put it back, with <!-- end --> behind it.")
    return marks.sub(lambda marked: f"{marked[1]}\n{block}\n\n{marked[2]}", text)


def contenders() -> str:
    """What each ran with."""
    rows = [[one.name, ", ".join(versions(one)), one.settings] for one in CONTENDERS]
    return table(["system", "versions", "settings"], rows)


def versions(contender: Contender) -> list[str]:
    """What is installed in the contender's environment."""
    command = [contender.python, "-c", VERSIONS, *contender.packages]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [f"{name} {version}" for name, version in zip(contender.packages, json.loads(done.stdout), strict=True)]


def described(plan: Plan) -> str:
    """How large the faults were, and on what."""
    text = (
        f"{plan.killed_jobs} jobs of {plan.job_secs:.0f} s and a worker that is killed "
        f"{plan.kill_after_secs:.0f} s after it began two; {plan.waiting_jobs} jobs and a service that is away for "
        f"{plan.away_secs:.0f} s. Watched for at most {plan.watch_secs:.0f} s after the fault, and "
        f"for {plan.still_secs:.0f} s more to see what is done twice, on "
        f"{os.cpu_count()} cores that all systems shared, with {servers()}."
    )
    return textwrap.fill(text, width=118)


def results(fault: str, outcomes: Mapping[str, Outcome], plan: Plan) -> str:
    """What became of the jobs of everybody."""
    return table(["system", *COLUMNS, *FAULT_COLUMNS[fault]], [row(fault, *one, plan) for one in outcomes.items()])


def row(fault: str, name: str, one: Outcome, plan: Plan) -> list[str]:
    """One system's row."""
    counted = [one.sent, one.done, one.lost, one.twice, one.failed]
    extra = [again(one)] if fault == "killed" else [one.refused, one.most_refused]
    return [name, *map(str, counted), after(one, plan), who_acts(one), *map(str, extra)]


def after(one: Outcome, plan: Plan) -> str:
    """When all was done."""
    if one.all_done_secs is None:
        return "never" if not one.lost else f"not in {plan.watch_secs:.0f} s"
    nudged = f" (not in {plan.watch_secs:.0f} s; then one more job was sent)" if one.nudged else ""
    return f"{one.all_done_secs:.0f} s{nudged}"


def again(one: Outcome) -> str:
    """When the jobs that the killed worker had begun were begun again."""
    return "not again" if one.repeated_secs is None else f"{one.repeated}, again after {one.repeated_secs:.0f} s"


def who_acts(one: Outcome) -> str:
    """Who has to do something before everything is done."""
    if missing := one.failed + one.lost:
        return f"somebody, for {missing} {'job' if missing == 1 else 'jobs'}"
    return "whoever sends the next job" if one.nudged else "nobody"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [columns, ["---"] * len(columns), *rows])
