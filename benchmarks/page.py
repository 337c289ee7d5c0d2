"""docs/benchmarks.md and docs/benchmarks.json: what the last run of each part found.

`python benchmarks/page.py` writes the page again from the data.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plot
import results
from goals import judged

DOCS = Path(__file__).parent.parent / "docs"
PAGE, DATA = DOCS / "benchmarks.md", DOCS / "benchmarks.json"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- figures: end -->"


def read() -> dict[str, Any]:
    """What was kept of earlier runs, part by part."""
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def write(kept: dict[str, Any]) -> None:
    """Write the data, the pictures, and the page between its marks."""
    DATA.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    for path, picture in pictures(kept).items():
        path.write_text(picture)
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{figures(kept)}\n{END}{after}")


def pictures(kept: Mapping[str, Any]) -> dict[Path, str]:
    """Each picture beside the page: the drain's, and one for each part that has stacks, under its name."""
    found = {name: results.from_json(part) for name, part in kept.items()}
    drawn = {"drain": plot.bars({at: bars for one in found.values() for at, bars in one.bars.items()})}
    drawn |= {name: plot.stacks(one.stacks) for name, one in found.items() if one.stacks}
    return {DOCS / "images" / f"{name}.svg": picture for name, picture in drawn.items()}


def figures(kept: Mapping[str, Any]) -> str:
    """The table of goals, then each part's."""
    found = {name: results.from_json(part) for name, part in kept.items()}
    rows = [
        [
            one.goal.what,
            one.goal.text,
            results.spread(one.figure.rounds, 2) if one.figure else "",
            one.figure.at if one.figure else "",
            one.verdict if one.verdict == "met" else f"**{one.verdict}**",
        ]
        for one in judged(figure for part in found.values() for figure in part.figures)
    ]
    lines = ["", "## Goals", "", *markdown(["what", "goal", "figure", "at", "verdict"], rows), ""]
    for name, part in found.items():
        if part.stacks:
            lines += [f"![Processor seconds a thousand, by part of the system](images/{name}.svg)", ""]
        for table in part.tables:
            lines += [f"## {table.title}", "", measured(name, kept[name]), "", *markdown(table.header, table.rows), ""]
    return "\n".join(lines)


def measured(name: str, part: Mapping[str, Any]) -> str:
    """When, where and how often a part was measured."""
    when, where = part["measured_at"][:16].replace("T", " "), part["machine"]
    return f"`make bench ARGS={name}`, {part['rounds']} rounds, {when} UTC, Python {part['python']}, {where}."


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows]]


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    write(read())
