"""What a walk could not use of the Registry's listing: counted, and named by index and field, never by a value."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from typing import Any

from ...clients.responses import named_fields
from ...schemas.registry import SessionInfo, SessionStatus
from ...schemas.rows import ReadRows

MOST_NAMED = 100
UNREADABLE, UNKNOWN = "breaks the contract; the row was skipped", "is not known; the session is not due"


@dataclass(frozen=True)
class RowFaults:
    """Rows that were skipped because they break the contract, and sessions whose status is none of ours.

    `named` names the first 100: `sessions.1205.status` is the status in row 1205 of the listing, counted from 0.
    """

    unreadable: int = 0
    unknown_statuses: int = 0
    named: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, sessions: Sequence[SessionInfo], first: int) -> "RowFaults":
        """Return the faults of one page, whose first row has this number in the listing."""
        broken = sessions.unreadable if isinstance(sessions, ReadRows) else {}
        numbers = (index for index in count() if index not in broken)
        unknown = [
            number for number, one in zip(numbers, sessions, strict=False) if not isinstance(one.status, SessionStatus)
        ]
        unreadable = {_fields(first + index, messages): UNREADABLE for index, messages in broken.items()}
        named = unreadable | {_fields(first + number, {"status": []}): UNKNOWN for number in unknown}
        return cls(len(broken), len(unknown), _few(named))

    def __bool__(self) -> bool:
        return self.count > 0

    def __add__(self, other: "RowFaults") -> "RowFaults":
        named = _few(self.named | other.named)
        return RowFaults(self.unreadable + other.unreadable, self.unknown_statuses + other.unknown_statuses, named)

    @property
    def count(self) -> int:
        """How many rows they are."""
        return self.unreadable + self.unknown_statuses

    def or_more(self, other: "RowFaults") -> "RowFaults":
        """Return the larger of two counts of the same listing: while it is walked, rows may move past the walk."""
        return other if other.count > self.count else self

    def write(self) -> str:
        """Return the faults as text."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "RowFaults":
        """Return the faults of such a text; none of an empty one."""
        values: dict[str, Any] = json.loads(text or "{}")
        return cls(**values)


def _fields(number: int, messages: Any) -> str:
    return named_fields({"sessions": {number: messages}})


def _few(named: dict[str, str]) -> dict[str, str]:
    return dict(islice(named.items(), MOST_NAMED))
