"""What is known of a month, and what is not: the values of `mgw report`."""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...delivery import DeadLetters, LetterGroup
from ...delivery.bounds import Bounds
from ...schemas.fields import format_timestamp, now
from ...tasks import connections
from ...tasks.archival.history import known_from, sweeps_between
from ...tasks.archival.state import KEPT_SECS, Status, Sweep, Sweeps
from ..terminal.wording import counted
from .month import Month

_MOST_REASONS = 100
_REASON_GONE = "the reason was not kept"
_OTHER_REASONS = "other reasons"
_ID_DIGITS = 4

Values = dict[str, Any]


def gather(month: Month, letters: DeadLetters, bounds: Bounds, clock: Callable[[], datetime] = now) -> Values:
    """Everything about a month. A number is None if nothing is known; `is_complete` says whether one can be trusted.

    Beside the ids of sweeps there are no ids in it, and no content.
    """
    made_at, state = clock().replace(microsecond=0), Sweeps(connections.redis())
    found = list(sweeps_between(connections.redis(), month.start, month.end))
    swept = _Swept(month, made_at, [one for one in found if one is not None], found.count(None))
    dead = _dead_letters(month, made_at, letters, bounds)
    return {
        "month": month.name,
        "starts_at": month.start,
        "ends_at": month.end,
        "made_at": made_at,
        "is_over": made_at >= month.end,
        "notes": [*swept.notes(), *_notes_of_letters(month, dead, bounds), *_NOTES],
        "sweeps": swept.values(),
        "not_archived": None if swept.is_unknown else _not_archived(state, swept.sweeps),
        "dead_letters": dead,
    }


class _Swept:
    """The sweeps of a month, and how far they can be all of them."""

    def __init__(self, month: Month, made_at: datetime, sweeps: Sequence[Sweep], lost: int) -> None:
        self._month, self._made_at, self.sweeps, self._lost = month, made_at, sweeps, lost
        self._known_from = known_from(made_at)
        self._running = sum(sweep.status is Status.RUNNING for sweep in sweeps)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of any sweep of the month."""
        return not self.sweeps and (self._known_from > self._month.start or self._lost > 0)

    def values(self) -> Values:
        """Their sums, and each of them."""
        counts = [sum(column) for column in zip((0, 0, 0), *(sweep.counts for sweep in self.sweeps), strict=True)]
        statuses = Counter(sweep.status for sweep in self.sweeps)
        sums = {"count": len(self.sweeps), **{str(status): statuses[status] for status in Status}}
        sums |= dict(zip(_OUTCOMES, counts, strict=True))
        return {
            "is_complete": not list(self._gaps()),
            "known_from": max(self._known_from, self._month.start),
            **(dict.fromkeys(sums) if self.is_unknown else sums),
            "each": [_sweep(sweep) for sweep in self.sweeps],
        }

    def notes(self) -> Iterator[str]:
        """What is not known of them, and how they are counted."""
        yield from self._gaps()
        yield "A sweep belongs to the month in which it began, with everything that it archived until its end."

    def _gaps(self) -> Iterator[str]:
        days = KEPT_SECS // 86_400
        if self._made_at < self._month.end:
            yield f"The month is not over: this is what was known at {format_timestamp(self._made_at)}."
        if self._known_from >= self._month.end:
            yield f"Redis keeps a sweep for {days} days, so the sweeps of this month are gone."
        elif self._known_from > self._month.start:
            since = format_timestamp(self._known_from)
            yield f"Redis keeps a sweep for {days} days: those that began before {since} are gone, and not counted."
        if self._lost:
            yield f"{counted(self._lost, 'sweep')} began in this month, but the record is gone or cannot be read."
        if self._running:
            yield f"{counted(self._running, 'sweep')} had not ended, so more may be archived than is counted here."


def _sweep(sweep: Sweep) -> Values:
    return {
        "sweep_id": sweep.sweep_id,
        "trigger": str(sweep.trigger),
        "status": str(sweep.status),
        "reason": without_ids(sweep.reason) or None,
        "started_at": sweep.started_at,
        "finished_at": sweep.finished_at,
        **dict(zip(_OUTCOMES, sweep.counts, strict=True)),
    }


def _not_archived(state: Sweeps, sweeps: Sequence[Sweep]) -> list[Values]:
    """Why sessions were not archived, and how many times each."""
    found = Counter[tuple[str, str]]()
    for sweep in sweeps:
        _, failed, skipped = sweep.counts
        for outcome, count, reasons in (
            ("failed", failed, state.failures(sweep.sweep_id) if failed else {}),
            ("skipped", skipped, state.skipped(sweep.sweep_id) if skipped else {}),
        ):
            found.update((outcome, without_ids(text, session_id)) for session_id, text in reasons.items())
            found[outcome, _REASON_GONE] += max(0, count - len(reasons))
    common = [(*what, count) for what, count in found.most_common(_MOST_REASONS) if count]
    rest = Counter[str]()
    for (outcome, _), count in found.most_common()[_MOST_REASONS:]:
        rest[outcome] += count
    common += [(outcome, _OTHER_REASONS, count) for outcome, count in rest.items() if count]
    return [{"outcome": outcome, "reason": reason, "sessions": count} for outcome, reason, count in common]


def without_ids(reason: str, session_id: str = "") -> str:
    """A reason without the ids of sessions, requests and the like in it: each is replaced by an ellipsis."""
    text = reason.replace(session_id, "…") if session_id else reason
    text = re.sub(r"(, )?request [^\s)]+", "", text).replace(" ()", "")
    return re.sub(r"\S+", lambda found: _without_id(found[0]), text)


def _without_id(word: str) -> str:
    core = word.strip(string.punctuation)
    digits = sum(char.isdigit() for char in core)
    is_id = digits >= _ID_DIGITS or (digits > 0 and any(mark in core for mark in "-_:/.@"))
    return word.replace(core, "…") if is_id else word


def _dead_letters(month: Month, made_at: datetime, letters: DeadLetters, bounds: Bounds) -> Values:
    """The letters of the month that are still there, and how many of any time were dropped at a bound."""
    first = made_at - timedelta(days=bounds.kept_days)
    pots = dict(zip(("failures", "quarantine"), letters.failed_between(month.start, month.end), strict=True))
    groups = [_group(pot, group) for pot, found in pots.items() for group in found]
    still_there = sum(group["letters"] for group in groups)
    return {
        "is_complete": False,
        "known_from": max(first, month.start),
        "still_there": still_there if still_there or first < month.end else None,
        "dropped_at_a_bound": sum(group.gave_way for group in letters.gave_way()),
        "groups": groups,
    }


def _group(pot: str, group: LetterGroup) -> Values:
    return {
        "pot": pot,
        "task": group.task,
        "reason": str(group.reason),
        "error": group.error,
        "letters": group.count,
    }


def _notes_of_letters(month: Month, dead: Values, bounds: Bounds) -> Iterator[str]:
    yield (
        "Dead letters are those that are still there. One that was replayed or purged is gone, and a task that failed "
        "again counts where it failed last."
    )
    if dead["known_from"] > month.start:
        since = format_timestamp(dead["known_from"])
        yield f"A dead letter is kept for {bounds.kept_days} days: those that failed before {since} are gone."
    if dead["dropped_at_a_bound"]:
        yield (
            f"{counted(dead['dropped_at_a_bound'], 'dead letter')} of this or other months "
            f"{'was' if dead['dropped_at_a_bound'] == 1 else 'were'} dropped because a bound was reached."
        )


_OUTCOMES = ("archived", "failed", "skipped")
_NOTES = (
    "Archives are counted by the sweeps that made them. The vault lists no archives by time, so those that were made "
    "by hand or by other programs are not in here, and neither are deletions (mgw vault deletions lists these).",
    "A session that failed or was skipped in several sweeps counts in each of them.",
    "Redis is no archive: what it has lost is missing here, too. Keep each month's report; the proof is in the vault.",
)
