"""What is done with dead letters one by one, and what is told of one; for commands and for the console."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ...delivery import DeadLetter, DeadLetters
from ...delivery.dead_letters.chords import body_can_run, part_of
from ...delivery.dead_letters.replay import NotReplayable
from ...delivery.dead_letters.store import Entry
from ...delivery.messages.call_options import kept_options
from ...schemas.base import ValidationError
from ...schemas.fields import parse_timestamp
from ..target import Target
from ..terminal.failure import Failure

LEAVES_IT = (NotReplayable, ValidationError, TypeError, Failure)  # why a letter stays; the next one may go
_GONE = "It is gone, or its task has failed again since the letter was listed."


def read_entry(letters: DeadLetters, entry: Entry) -> DeadLetter:
    """The letter in this place.

    Raises: Failure if it is gone, or its task has failed again: that is another letter.
    """
    for letter in letters.read([entry]):
        if not letter.failed_at or _is_of(letter.failed_at, entry):
            return letter
    raise Failure(_GONE)


def purged(letters: DeadLetters, entry: Entry) -> str:
    """Delete the letter in this place for good; returns its id.

    Raises: Failure if it is gone, or its task has failed again.
    """
    if not letters.remove_entry(entry):
        raise Failure(_GONE)
    return entry.id


def facts(letter: DeadLetter) -> dict[str, Any]:
    """What may be told of a letter: all but the payload."""
    return {name: value for name, value in all_facts(letter).items() if name != "payload"}


def all_facts(letter: DeadLetter) -> dict[str, Any]:
    """The same with the payload, which may be private."""
    return {**asdict(letter), "message": letter.message or None}


def how_it_runs(target: Target, letter: DeadLetter) -> dict[str, Any]:
    """When a replay runs, until when, and whether it is a part of a chord whose body can still run."""
    options, part = kept_options(letter.payload), part_of(letter.payload)
    found = {name: options[name] for name in ("eta", "expires") if name in options}
    if part is not None:
        can = body_can_run(target.app, part)
        found["chord"] = "its body runs when all parts have succeeded" if can else "its body will not run any more"
    return found


def _is_of(failed_at: str, entry: Entry) -> bool:
    with suppress(ValueError):
        return parse_timestamp(failed_at).timestamp() == entry.failed_at
    return False
