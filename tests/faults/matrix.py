"""One row of the fault matrix: what was broken, what must hold, and what came out."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .fleet import Fleet

RESULTS = os.environ.get("FAULTS_RESULTS")  # where the rows go; without it they are only judged


@dataclass
class Row:
    """A row of the table; `complaints` says what did not hold."""

    fault: str
    promise: str
    how: str
    place: int = 0
    runs: int = 1
    lost: int | None = None
    twice: int | None = None
    recovery_secs: float | None = None
    impossible: str = ""
    off: str = ""
    complaints: list[str] = field(default_factory=list[str])

    @property
    def verdict(self) -> str:
        """What the table says."""
        if self.impossible:
            return f"not made here: {self.impossible}"
        return "broken: " + "; ".join(self.complaints) if self.complaints or self.lost is None else "holds"

    def demand(self, holds: object, otherwise: str) -> None:
        """Note what must hold."""
        if not holds:
            self.complaints.append(otherwise)

    def recovered(self, secs: float, within_secs: float) -> None:
        """Note how long it took until the work went on; the longest counts."""
        self.recovery_secs = max(self.recovery_secs or 0.0, round(secs, 1))
        self.demand(secs <= within_secs, f"back after {secs:.1f} s, not within {within_secs:.0f} s")

    def judge(
        self,
        fleet: Fleet,
        *,
        secs: float = 120,
        letters: dict[str, int] | None = None,
        spared: Collection[str] = (),
        revisions: int = 0,
        figures: Mapping[str, object] | None = None,
    ) -> None:
        """Wait until all work is over, and compare what the services have with what they should have.

        `letters`: how many dead letters there must be, by reason. `spared`: sessions that must stay unarchived.
        `figures`: what the sweep must say of itself; the default is that it archived the others, and failed on these.
        """
        self.demand(fleet.settles(secs), f"work was not over after {secs:.0f} s ({fleet.state()})")
        due = [one for one in fleet.sessions if one not in spared] if fleet.sweep_id else []
        effects = fleet.effects()
        self.lost = effects.lost(fleet.reports, due)
        self.twice = effects.twice(fleet.reports, due) - revisions
        self.demand(not self.lost, f"{self.lost} lost")
        self.demand(not self.twice, f"{self.twice} twice")
        found = Counter(str(letter.reason) for letter in fleet.letters())
        said = sorted({f"{letter.task}: {letter.message}" for letter in fleet.letters()})[:3]
        self.demand(found == Counter(letters or {}), f"dead letters {dict(found)}, not {letters or {}}: {said}")
        if fleet.sweep_id:
            usual = {"status": "completed", "archived": len(due), "failed": len(spared), "skipped": 0}
            said, expected = fleet.figures(), {**usual, **(figures or {})}
            self.demand(said == expected, f"the sweep says {said}, not {expected}")

    def must_hold(self) -> None:
        """Fail the test where something did not hold."""
        assert self.impossible or (self.lost == 0 and not self.complaints), f"{self.fault}: {self.verdict}"

    def write(self, **more: Any) -> None:
        """Keep the row for the table."""
        if RESULTS:
            name = re.sub(r"\W+", "-", self.fault.lower()).strip("-")[:80]
            Path(RESULTS, f"{name}.json").write_text(json.dumps({**asdict(self), "verdict": self.verdict, **more}))
