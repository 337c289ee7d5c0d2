"""One row of the table: what was done to the fleet, what must hold, and what was counted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from support.pages import table


@dataclass
class Row:
    """A row; `complaints` says what did not hold.

    `waits` is REDIS_MIN_REPLICAS; with `may_lose`, what was lost is only counted.
    """

    name: str
    what: str
    promise: str
    waits: int = 0
    may_lose: bool = False
    sent: int | None = None
    lost: int | None = None
    twice: int | None = None
    back_secs: float | None = None
    notes: list[str] = field(default_factory=list[str])
    impossible: str = ""
    complaints: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        """Whether all of it was made and counted, and is as it must be."""
        return not (self.impossible or self.complaints or self.sent is None)

    @property
    def verdict(self) -> str:
        """What the table says."""
        if self.impossible:
            return f"not made here: {self.impossible}"
        said = "holds" if self.holds else "broken: " + ("; ".join(self.complaints) or "nothing was counted")
        return "; ".join([said, *self.notes])

    def demand(self, holds: object, otherwise: str) -> None:
        """Note what must hold."""
        if not holds:
            self.complaints.append(otherwise)

    def back(self, secs: float, within_secs: float) -> None:
        """Note how long it took until work went on."""
        self.back_secs = round(secs, 1)
        self.demand(secs <= within_secs, f"back after {secs:.1f} s, not within {within_secs:.0f} s")

    def count(self, sent: int, lost: int, twice: int) -> None:
        """Note what was sent and acknowledged, and what of it is missing or there twice."""
        self.sent, self.lost, self.twice = sent, lost, twice
        self.demand(sent, "nothing was sent")
        self.demand(self.may_lose or not lost, f"{lost} lost")
        self.demand(not twice, f"{twice} twice")

    def as_json(self) -> dict[str, Any]:
        """The row for `--json`."""
        return {**asdict(self), "holds": self.holds}


def lines_of(rows: Sequence[Row]) -> list[str]:
    """The rows as a table in Markdown."""
    header = ["what happens", "must hold", "`REDIS_MIN_REPLICAS`", "sent", "lost", "twice", "back after, s", "verdict"]
    found = [
        [row.what, row.promise, row.waits or None, row.sent, row.lost, row.twice, row.back_secs, row.verdict]
        for row in rows
    ]
    return table(header, [["-" if cell is None else cell for cell in cells] for cells in found])


def as_text(rows: Sequence[Row]) -> str:
    """The rows for `--json`, with what they come to."""
    return json.dumps({"holds": all(row.holds for row in rows), "rows": [row.as_json() for row in rows]}, indent=2)
