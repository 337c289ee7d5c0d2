"""Groups of dead letters: those with the same task, reason and error, as one cause that many tasks met leaves them."""

import json
from dataclasses import dataclass
from datetime import datetime

from ..timestamps import moment_of
from .pot import Sizes
from .reasons import NO_TASK, Reason


@dataclass(frozen=True)
class LetterGroup:
    """Dead letters with the same task, reason and error. `sample` is the id of the newest.

    `gave_way` counts the letters of this group that were dropped because a bound was reached; `count` may be 0 then.
    """

    task: str | None
    reason: Reason
    error: str | None
    count: int = 0
    size_bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    sample: str | None = None
    queue: str | None = None
    gave_way: int = 0
    gave_way_at: datetime | None = None

    @property
    def holds_any_task(self) -> bool:
        """Whether the letters name tasks that nobody here knows, which are not told apart."""
        return self.reason in NO_TASK

    @property
    def title(self) -> str:
        """What the letters have in common, in one line."""
        return title_of(self.task, self.reason, self.error)


def title_of(task: str | None, reason: Reason, error: str | None) -> str:
    """What failed and why, in one line."""
    return " ".join(part for part in (task, reason, error) if part)


def name_of_group(task: str | None, reason: Reason, error: str | None) -> str:
    """The name under which Redis has a group.

    Tasks that nobody here knows are one group: otherwise whoever invents names would make as many groups.
    """
    return json.dumps([None if reason in NO_TASK else task, reason, error])


def group_named(name: str, sizes: Sizes | None, gave_way: tuple[int, float] | None) -> LetterGroup:
    """The group with this name; a reason of a newer release reads as `failed`."""
    task, reason, error = json.loads(name)
    known = Reason(reason) if reason in set(Reason) else Reason.FAILED
    dropped, dropped_at = gave_way or (0, None)
    if sizes is None:
        return LetterGroup(task, known, error, gave_way=dropped, gave_way_at=_time(dropped_at))
    return LetterGroup(
        task,
        known,
        error,
        sizes.count,
        sizes.size_bytes,
        _time(sizes.first),
        _time(sizes.last),
        sizes.sample,
        sizes.queue or None,
        dropped,
        _time(dropped_at),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment_of(seconds)
