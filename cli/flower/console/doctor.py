"""The page Doctor: what the doctor's checks found, and what to do about it."""

from typing import ClassVar

from ...doctor.finding import Finding, State
from ...terminal.wording import counted
from .page import Page
from .tables import Table

_LOOK_AGAIN_SECS = "2"
_WORST_FIRST = (State.FAILURE, State.WARNING, State.SKIPPED, State.OK)
_WORDS = {State.FAILURE: "✗ failure", State.WARNING: "! warning", State.SKIPPED: "- not checked", State.OK: "✓ ok"}


class DoctorPage(Page):
    """GET makes the checks, and shows what they found; while they take long, what they found before."""

    tab: ClassVar[str] = "doctor"

    async def get(self) -> None:
        """Show the findings, the worst first."""
        findings = await self.console.examination.findings()
        if findings.is_checking:
            self.set_header("Refresh", _LOOK_AGAIN_SECS)
        found = sorted(findings.found, key=lambda one: _WORST_FIRST.index(one.state))
        table = Table("Findings", ["Check", "State", "Found", "What to do"], [_row(one) for one in found])
        self.show("doctor.html", "Doctor", findings=findings, table=table, counts=_counts(found))


def _row(one: Finding) -> list[str | None]:
    return [one.check, _WORDS[one.state], one.found, one.fix or None]


def _counts(found: list[Finding]) -> str:
    counts = {state: sum(one.state is state for one in found) for state in State}
    failures, warnings = counted(counts[State.FAILURE], "failure"), counted(counts[State.WARNING], "warning")
    return f"{failures}, {warnings}, {counts[State.SKIPPED]} not checked, {counts[State.OK]} ok."
