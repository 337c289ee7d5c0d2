"""What a check of the doctor found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is: a failure loses jobs or stops work, a warning may."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it is not as it should be."""

    check: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[], Iterator[Finding]]


def judged(check: str, holds: bool, found: str, fix: str, otherwise: State = State.FAILURE) -> Finding:
    """A finding that is fine where `holds`; else `otherwise`, with the fix."""
    return Finding(check, State.OK, found) if holds else Finding(check, otherwise, found, fix)
