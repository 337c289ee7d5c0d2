"""The doctor's checks, made in a thread when somebody looks; who looks meanwhile gets the same findings."""

from datetime import UTC, datetime
from typing import NamedTuple

from ...doctor.checks import examine_without_services
from ...doctor.finding import Finding
from ...target import Target
from ...threads import Shared
from .reading import LIMIT_SECS, ended

CHECK_SECS = 30.0  # all checks together
_FRESH_SECS = 10.0  # after so long the checks are made again


class Findings(NamedTuple):
    """What the last checks found, if any were made, and whether new ones are under way."""

    found: list[Finding]
    checked_at: datetime | None
    is_checking: bool


class Examination:
    """Makes the checks, one run at a time."""

    def __init__(self, target: Target) -> None:
        self._target, self._run = target, Shared(self._examine)
        self._last: tuple[list[Finding], datetime] | None = None

    async def findings(self) -> Findings:
        """The findings, no older than ten seconds or with new ones under way."""
        if self._last and (datetime.now(UTC) - self._last[1]).total_seconds() < _FRESH_SECS:
            return Findings(*self._last, is_checking=False)
        running = self._run.start()
        is_done = await ended(running, LIMIT_SECS)
        if is_done:
            running.result()  # raises what no check foresaw
        found, checked_at = self._last or ([], None)
        return Findings(found, checked_at, is_checking=not is_done)

    def _examine(self) -> None:
        self._last = examine_without_services(self._target, CHECK_SECS), datetime.now(UTC)
