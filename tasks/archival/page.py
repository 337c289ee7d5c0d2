"""The pages of a sweep's walk: their positions, what each one did, and which comes next."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...clients.paging import Cursor
from ...schemas.registry import SessionStatus
from .row_faults import RowFaults

MAX_PASSES = 3
_ROWS = ("rows", "rows_of_hint", "rows_before")
HINTS = (SessionStatus.COMPLETED, SessionStatus.FAILED)


@dataclass(frozen=True)
class Position:
    """A position in a walk: the pass through the whole listing, the page of that pass, and the cursor to list from."""

    pass_number: int = 1
    index: int = 0
    cursor: Cursor = field(default_factory=Cursor)

    def is_before(self, other: "Position") -> bool:
        """Whether the walk reaches this position first."""
        return (self.pass_number, self.index) < (other.pass_number, other.index)


@dataclass(frozen=True)
class Page:
    """What one page task did: its batches, and where the pass continues (None: it is over).

    `carried` are due sessions that are too few for a batch; the next page continues with them. `found` and `listed`
    count the sessions of the pass so far, which is number `round` with this `hint`; `hint_is_ignored` is true once the
    Registry listed another status. `total` is how many sessions the pass should list, and `barren` counts the passes in
    a row before it that found nothing and may have missed something. A listing that cannot be walked on is `broken`,
    and why ends the walk. `rows` are the faults of the pass so far, `rows_of_hint` the most that
    an earlier pass with this hint had, and `rows_before` those of other hints.
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
    broken: str = ""
    total: int = 0
    barren: int = 0
    rows: RowFaults = field(default_factory=RowFaults)
    rows_of_hint: RowFaults = field(default_factory=RowFaults)
    rows_before: RowFaults = field(default_factory=RowFaults)

    @property
    def faults(self) -> RowFaults:
        """What the walk so far could not use of the listing; a row that every pass lists counts once."""
        return self.rows_before + self.rows_of_hint.or_more(self.rows)

    @property
    def taken(self) -> list[str]:
        """The sessions of this page, which later pages must not take again."""
        return [*(one for ids in self.batches.values() for one in ids), *self.carried]

    @classmethod
    def begun(cls, here: Position, last: "Page | None") -> "Page":
        """Return a page before anything is listed, given the page before it."""
        if last is None:
            return cls(here, {}, here.cursor)
        page = replace(last, position=here, batches={}, following=here.cursor)
        if last.position.pass_number == here.pass_number:
            return page
        most = last.rows_of_hint.or_more(last.rows)
        page = replace(page, found=0, listed=0, total=0, hint_is_ignored=False, rows=RowFaults(), rows_of_hint=most)
        if last.found:
            return replace(page, round=page.round + 1, found_before=last.found, barren=0)
        if last._may_have_missed:
            return replace(page, barren=page.barren + 1)
        page = replace(page, rows_of_hint=RowFaults(), rows_before=last.faults)
        return replace(page, round=1, found_before=0, barren=0, hint=last._next_hint or "")

    @property
    def next_position(self) -> Position | None:
        """Where the walk continues; None at its end."""
        here = self.position
        if self.broken:
            return None
        if self.following:
            return Position(here.pass_number, here.index + 1, self.following)
        goes_on = not self.why_incomplete if self.found else self._may_have_missed or self._next_hint
        return Position(here.pass_number + 1) if goes_on else None

    @property
    def why_incomplete(self) -> str:
        """Why the walk ends although it might find more; empty if it does not.

        Archiving changes the listing that is walked: if the Registry filters by the hint, archived sessions leave the
        listing and later ones move up, unseen. Therefore a pass that found something is followed by another. The
        third pass is the last, unless it found a tenth of what it listed, or the hint works and it found a quarter
        less than the pass before: then the cost of all passes is proportional to what they find.
        """
        if self.broken:
            return self.broken
        productive = 10 * self.found >= self.listed
        shrinking = not self.hint_is_ignored and 4 * self.found <= 3 * self.found_before
        if not self.found or self.round < MAX_PASSES or productive or shrinking:
            return ""
        return f"pass {self.position.pass_number} still found sessions that no pass had seen"

    @property
    def _may_have_missed(self) -> bool:
        """Whether a pass that found nothing is repeated: it listed fewer sessions than it should.

        Sessions that other workers archived meanwhile have left the listing, and later ones moved up, unseen. A total
        that is always too large costs two passes more.
        """
        return self.listed < self.total and not self.hint_is_ignored and self.barren + 1 < MAX_PASSES

    @property
    def _next_hint(self) -> str | None:
        """The status to list after this one; None after the last, or if the Registry ignores hints and listed all."""
        later = HINTS[HINTS.index(SessionStatus(self.hint)) + 1 :]
        return str(later[0]) if later and not self.hint_is_ignored else None

    def write(self) -> str:
        """Return the page as text; the sessions of its batches are kept with the batches."""
        return json.dumps({**asdict(self), "batches": list(self.batches)})

    @classmethod
    def read(cls, text: bytes) -> "Page":
        """Return the page of such a text, its batches without their sessions."""
        values: dict[str, Any] = json.loads(text)
        where, following = values.pop("position"), values.pop("following")
        batches = {batch_id: list[str]() for batch_id in values.pop("batches")}
        values |= {name: RowFaults(**values[name]) for name in _ROWS if name in values}
        position = Position(where["pass_number"], where["index"], Cursor(**where["cursor"]))
        return cls(position, batches, Cursor(**following) if following else None, **values)
