"""What the doctor's checks find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad a finding is: a failure loses tasks or stops work, a warning may do so.

    What could not be checked because of another finding is skipped, so that each cause is told once.
    """

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The result of one check; `fix` says what to do if something is wrong."""

    check: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[], Iterator[Finding]]


def judged(check: str, holds: bool, found: str, fix: str, otherwise: State = State.FAILURE) -> Finding:
    """A finding that is OK if `holds`; otherwise it has the state `otherwise` and the fix."""
    return Finding(check, State.OK, found) if holds else Finding(check, otherwise, found, fix)
