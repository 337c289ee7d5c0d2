"""What is done with dead letters one by one, and what is told of one; for commands and for the console."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ...delivery import DeadLetter, DeadLetters
from ...delivery.dead_letters.chords import body_can_run, part_of
from ...delivery.dead_letters.replay import NotReplayable
from ...delivery.dead_letters.store import Entry
from ...delivery.messages.call_options import kept_options, time_of
from ...schemas.base import ValidationError
from ...schemas.fields import format_timestamp, parse_timestamp
from ..target import Target
from ..terminal.failure import Failure
from ..terminal.output import or_null

LEAVES_IT = (NotReplayable, ValidationError, TypeError, Failure)  # why a letter stays; the next one may go
_BODY_RUNS = {True: "its body runs when all parts have succeeded", False: "its body will not run any more"}
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
    return or_null(asdict(letter))


def how_it_runs(target: Target, letter: DeadLetter) -> dict[str, Any]:
    """When a replay runs, until when, and whether it is a part of a chord whose body can still run."""
    options, part = kept_options(letter.payload), part_of(letter.payload)
    chord = None if part is None else _BODY_RUNS[body_can_run(target.app, part)]
    return {"eta": _time(options.get("eta")), "expires": _time(options.get("expires")), "chord": chord}


def _time(sent: Any) -> str | None:
    """A time as a sender wrote it, in our form; None where it is none."""
    found = time_of(sent)
    try:
        return format_timestamp(found) if found else None
    except OverflowError:  # in UTC it is before the year 1, or after 9999
        return None


def _is_of(failed_at: str, entry: Entry) -> bool:
    with suppress(ValueError):
        return parse_timestamp(failed_at).timestamp() == entry.failed_at
    return False
