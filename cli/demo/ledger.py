"""What the demo's producer did: it writes one line per session, and the demo reads them."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...schemas.registry import SessionStatus

# How long ago an aged session ended: the Registry's clock is this far behind while it is made.
AGED_BY = timedelta(days=60)


class Kind(StrEnum):
    """The kinds of sessions in the demo."""

    AGED = "aged"  # completed long ago: due
    AGED_FAILED = "aged-failed"  # failed long ago: due
    FRESH = "fresh"  # completed just now: not due
    OPEN = "open"  # still active: not due

    @property
    def is_due(self) -> bool:
        """Whether the sweep must archive it."""
        return self in {Kind.AGED, Kind.AGED_FAILED}

    @property
    def status(self) -> SessionStatus:
        """The status that the producer sets."""
        return _STATUS[self]


_STATUS = {
    Kind.AGED: SessionStatus.COMPLETED,
    Kind.AGED_FAILED: SessionStatus.FAILED,
    Kind.FRESH: SessionStatus.COMPLETED,
    Kind.OPEN: SessionStatus.ACTIVE,
}
_LETTERS = {"a": Kind.AGED, "x": Kind.AGED_FAILED, "f": Kind.FRESH, "o": Kind.OPEN}
# Of every 20 sessions 14 are due (2 of them failed), 3 are fresh and 3 are open; a short file has every kind, too.
_PATTERN = "afoaaxaaafoaaaxaafoa"


def kind_of(index: int) -> Kind:
    """The kind of session that the conversation at this index becomes."""
    return _LETTERS[_PATTERN[index % len(_PATTERN)]]


@dataclass(frozen=True)
class Entry:
    """One session that the producer made: its conversation, and the usage that was reported."""

    index: int
    session_id: str
    kind: Kind
    reports: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """The sum of all reported tokens."""
        return self.prompt_tokens + self.completion_tokens

    def as_line(self) -> str:
        """The entry as one line of the ledger."""
        return json.dumps(dataclasses.asdict(self)) + "\n"


def read_ledger(path: Path) -> list[Entry]:
    """The entries so far, without a line that is still being written."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [_read(json.loads(line)) for line in lines]


def _read(row: dict[str, Any]) -> Entry:
    row["kind"] = Kind(row["kind"])
    return Entry(**row)
