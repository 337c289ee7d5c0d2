"""What a part hands back: figures that goals judge, and a table of all that was measured."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One ratio or number for a goal: its value in each round, measured at one setting (`at`)."""

    goal: str
    at: str
    rounds: list[float]

    @property
    def value(self) -> float:
        """The median round."""
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Table:
    """All that a part measured, beside what a contender lacks."""

    title: str
    header: list[str]
    rows: list[list[str]]


@dataclass
class Outcome:
    """The outcome of one part.

    `bars` are reports a second by setting and contender; `stacks` are processor seconds a thousand by setting,
    contender and part of the system.
    """

    figures: list[Figure] = field(default_factory=list[Figure])
    tables: list[Table] = field(default_factory=list[Table])
    bars: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    stacks: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and between what the rounds lay."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


def medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each part."""
    return {part: statistics.median(one[part] for one in found) for part in found[0]}


def ratios(ours: Sequence[float], *theirs: Sequence[float]) -> list[float]:
    """Ours against the best of theirs, round by round: what disturbs a round disturbs both."""
    return [mine / max(others) for mine, others in zip(ours, zip(*theirs, strict=True), strict=True)]


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as a file keeps it."""
    return {
        "figures": [{"goal": one.goal, "at": one.at, "rounds": one.rounds} for one in outcome.figures],
        "tables": [{"title": one.title, "header": one.header, "rows": one.rows} for one in outcome.tables],
        "bars": outcome.bars,
        "stacks": outcome.stacks,
    }


def from_json(kept: dict[str, Any]) -> Outcome:
    """The outcome that an earlier run kept."""
    figures, tables = [Figure(**one) for one in kept["figures"]], [Table(**one) for one in kept["tables"]]
    return Outcome(figures, tables, kept["bars"], kept.get("stacks", {}))
