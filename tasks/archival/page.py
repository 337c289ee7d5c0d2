"""The pages of a sweep's walk: where each stands, what it did, and which comes next."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...clients.paging import Cursor
from ...schemas.registry import SessionStatus

MAX_PASSES = 3
HINTS = (SessionStatus.COMPLETED, SessionStatus.FAILED)


@dataclass(frozen=True)
class Position:
    """Where a walk stands: the pass over the whole listing, the page of that pass, and what to ask for."""

    pass_number: int = 1
    index: int = 0
    cursor: Cursor = field(default_factory=Cursor)

    def is_before(self, other: "Position") -> bool:
        """Whether the walk comes here earlier."""
        return (self.pass_number, self.index) < (other.pass_number, other.index)


@dataclass(frozen=True)
class Page:
    """What one page task did: its batches, and where the pass goes on (None: it is over).

    `carried` are due sessions too few for a batch; the next page takes them on. `found` and `listed` are those of
    the pass so far, the `round`th with this `hint`; `hint_is_ignored` once the Registry listed another status.
    """

    position: Position
    batches: dict[str, list[str]]
    following: Cursor | None
    carried: list[str] = field(default_factory=list[str])
    found: int = 0
    listed: int = 0
    hint: str = str(HINTS[0])
    round: int = 1
    found_before: int = 0
    hint_is_ignored: bool = False

    @property
    def taken(self) -> list[str]:
        """The sessions that later pages must not take again."""
        return [*(one for ids in self.batches.values() for one in ids), *self.carried]

    @classmethod
    def begun(cls, here: Position, last: "Page | None") -> "Page":
        """A page before anything is listed, given the one that was done before it."""
        if last is None:
            return cls(here, {}, here.cursor)
        page = replace(last, position=here, batches={}, following=here.cursor)
        if last.position.pass_number == here.pass_number:
            return page
        page = replace(page, found=0, listed=0, found_before=last.found, hint_is_ignored=False)
        return replace(page, round=page.round + 1) if last.found else replace(page, round=1, hint=last._next_hint or "")

    @property
    def next_position(self) -> Position | None:
        """Where the walk goes on; None at its end."""
        here = self.position
        if self.following:
            return Position(here.pass_number, here.index + 1, self.following)
        goes_on = not self.why_incomplete if self.found else self._next_hint
        return Position(here.pass_number + 1) if goes_on else None

    @property
    def why_incomplete(self) -> str:
        """Why the walk ends though it might find more; empty where it does not.

        Archiving changes the listing that is walked: where the Registry keeps to the hint, what is archived leaves
        it, and what comes after moves up, unseen. So a pass that found something is followed by another. The third
        is the last, unless a pass found a tenth of what it listed, or the hint is kept and it found a quarter less
        than the one before: then the cost of all passes is in proportion to what they find.
        """
        productive = 10 * self.found >= self.listed
        shrinking = not self.hint_is_ignored and 4 * self.found <= 3 * self.found_before
        if not self.found or self.round < MAX_PASSES or productive or shrinking:
            return ""
        return f"pass {self.position.pass_number} still found sessions that no pass had seen"

    @property
    def _next_hint(self) -> str | None:
        """The status to ask for once none is left with this one; a Registry that ignores hints has shown all."""
        later = HINTS[HINTS.index(SessionStatus(self.hint)) + 1 :]
        return str(later[0]) if later and not self.hint_is_ignored else None

    def write(self) -> str:
        """As it is kept; the sessions of its batches are kept with these."""
        return json.dumps({**asdict(self), "batches": list(self.batches)})

    @classmethod
    def read(cls, text: bytes) -> "Page":
        """A page that was kept, its batches without their sessions."""
        values: dict[str, Any] = json.loads(text)
        where, following = values.pop("position"), values.pop("following")
        batches = {batch_id: list[str]() for batch_id in values.pop("batches")}
        position = Position(where["pass_number"], where["index"], Cursor(**where["cursor"]))
        return cls(position, batches, Cursor(**following) if following else None, **values)
