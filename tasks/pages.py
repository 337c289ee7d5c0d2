"""The pages of a sweep's walk: where each stands, what it did, and which comes next."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ..clients.paging import Cursor

MAX_PASSES = 3


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
    the pass so far.
    """

    position: Position
    batches: dict[str, list[str]]
    following: Cursor | None
    carried: list[str] = field(default_factory=list[str])
    found: int = 0
    listed: int = 0

    @property
    def taken(self) -> list[str]:
        """The sessions that later pages must not take again."""
        return [*(one for ids in self.batches.values() for one in ids), *self.carried]

    @property
    def next_position(self) -> Position | None:
        """Where the walk goes on; None at its end."""
        here = self.position
        if self.following:
            return Position(here.pass_number, here.index + 1, self.following)
        # Archiving changes the listing that was walked: look again for what moved.
        return Position(here.pass_number + 1) if self.found and not self.why_incomplete else None

    @property
    def why_incomplete(self) -> str:
        """Why the walk ends though it might find more; empty where it does not."""
        if not self.found or self.position.pass_number < MAX_PASSES:
            return ""
        return f"pass {self.position.pass_number} still found sessions that no pass had seen"

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
