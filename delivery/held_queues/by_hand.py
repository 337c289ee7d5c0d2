"""What a person decided about a queue, and how that is kept: as JSON, read as if anybody had written it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ..timestamps import format_timestamp, now, parse_timestamp

MOST_CHARACTERS = 200  # of a name, and of a reason
_MOST_BYTES = 4096  # of a record: the longest name and reason, and room for what a later release adds
# What is said of a record that cannot be read.
_UNKNOWN = "unknown"
BROKEN = "the record of who decided what is broken: hold or release the queue again"


@dataclass(frozen=True)
class ByHand:
    """A queue that somebody holds, or keeps free whatever holds it by itself, until a person says otherwise."""

    queue: str
    is_held: bool
    by: str
    reason: str
    since: datetime


def record_of(decided: ByHand) -> bytes:
    """The record of a decision.

    Raises: ValueError for words that do not fit on one line of a log or a table.
    """
    for name, text in {"queue": decided.queue, "by": decided.by, "reason": decided.reason}.items():
        if not _is_fit(text):
            raise ValueError(
                f"{name} must be 1 to {MOST_CHARACTERS} characters that can be printed, without line breaks and "
                "control characters."
            )
    facts = {"is_held": decided.is_held, "by": decided.by, "reason": decided.reason}
    return orjson.dumps({**facts, "since": format_timestamp(decided.since)})


def read_by_hand(found: Mapping[bytes, bytes]) -> dict[str, ByHand]:
    """What people decided, by queue, of the hash `Keys.by_hand`. A broken record holds its queue."""
    named = {name.decode(errors="replace"): record for name, record in found.items()}
    return {queue: _read(queue, record) for queue, record in named.items() if queue.isprintable()}


def _read(queue: str, record: bytes) -> ByHand:
    try:
        if len(record) > _MOST_BYTES:
            raise ValueError
        kept = orjson.loads(record)
        since = parse_timestamp(kept["since"])
        if not (isinstance(kept["is_held"], bool) and _is_fit(kept["by"]) and _is_fit(kept["reason"]) and since.tzinfo):
            raise ValueError
        return ByHand(queue, kept["is_held"], kept["by"], kept["reason"], since.astimezone(UTC))
    except (LookupError, TypeError, ValueError, OverflowError):
        return ByHand(queue, True, _UNKNOWN, BROKEN, now())


def _is_fit(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable() and len(text) <= MOST_CHARACTERS
