"""Which dead letters a command is about: by id, task, reason, error or age."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any

import click

from ...delivery import DeadLetters, LetterGroup, Reason
from ...delivery.dead_letters.groups import name_of_group
from ...delivery.dead_letters.store import Entry
from .ids import begins

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType[timedelta]):
    """A duration like 30m, 12h or 7d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration that the text names."""
        if isinstance(value, timedelta):
            return value
        try:
            return age_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def age_of(text: str) -> timedelta:
    """The duration that a text like 30m, 12h or 7d names.

    Raises: ValueError for any other text.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not an age. Write it like 30m, 12h or 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@dataclass(frozen=True)
class Selection:
    """The criteria that a letter must meet; a criterion that is not given always holds."""

    ids: tuple[str, ...] = ()
    task: str | None = None
    reason: str | None = None
    error: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    everything: bool = False

    @property
    def is_given(self) -> bool:
        """Whether any criterion is given."""
        return self != Selection()

    @property
    def is_all(self) -> bool:
        """Whether every letter is meant: `--all`, and no criterion beside it."""
        return self == Selection(everything=True)

    def groups(self, letters: DeadLetters) -> list[LetterGroup]:
        """The groups that have a letter, or had one that gave way, and meet the criteria; the largest first."""
        return [group for group in letters.groups() if self._fits_group(group)]

    def entries(self, letters: DeadLetters, most: int | None = None) -> list[Entry]:
        """The places of the letters that meet the criteria, newest first. Letters are read only where it is needed."""
        if self == Selection(everything=self.everything):
            return letters.entries(most=most)[:most]
        by_group = (self.task, self.reason, self.error) != (None, None, None)
        groups = [group for group in letters.groups() if self._may_hold(group)] if by_group else None
        return self._fitting(letters, groups, most)[:most]

    def by_group(self, letters: DeadLetters) -> list[tuple[LetterGroup, list[Entry]]]:
        """The same places by their groups, the group with the most of them first."""
        there = [group for group in letters.groups() if group.count and self._may_hold(group)]
        groups = {name_of_group(one.task, one.reason, one.error): one for one in there}  # both pots may have one
        found = [(group, self._fitting(letters, [group])) for group in groups.values()]
        return sorted(((group, some) for group, some in found if some), key=lambda one: -len(one[1]))

    def _fitting(self, letters: DeadLetters, groups: list[LetterGroup] | None, most: int | None = None) -> list[Entry]:
        """The places in these groups that meet the other criteria; all of them, or as many of the newest as `most`."""
        reads = self.task is not None and any(group.holds_any_task for group in groups or ())
        is_done = not (reads or self.ids or self.older_than or self.newer_than)  # by the choice of the groups
        now = datetime.now(UTC).timestamp()
        found = [
            entry
            for entry in letters.entries(groups, most if is_done else None)
            if self._fits(entry, timedelta(seconds=now - entry.failed_at))
        ]
        if not reads:
            return found
        kept = {letter.id for letter in letters.read(found) if _matches(self.task, letter.task)}
        return [entry for entry in found if entry.id in kept]

    def _fits_group(self, group: LetterGroup) -> bool:
        now = datetime.now(UTC)
        return (
            _matches(self.task, group.task)
            and _matches(self.error, group.error)
            and self.reason in (None, group.reason)
            and (self.older_than is None or (group.first is not None and now - group.first > self.older_than))
            and (self.newer_than is None or (group.last is not None and now - group.last < self.newer_than))
        )

    def _may_hold(self, group: LetterGroup) -> bool:
        return (
            (group.holds_any_task or _matches(self.task, group.task))
            and _matches(self.error, group.error)
            and self.reason in (None, group.reason)
        )

    def _fits(self, entry: Entry, age: timedelta) -> bool:
        return (
            (not self.ids or any(begins(entry.id, given) for given in self.ids))
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


def _matches(wanted: str | None, found: str | None) -> bool:
    return wanted is None or fnmatchcase(found or "", wanted)


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command arguments and options that choose letters, and pass it the resulting `selection`."""

    @click.argument("ids", nargs=-1, metavar="[LETTER_ID]...")
    @click.option("--task", help="Name of the task; * matches any text.")
    @click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="Reason of the failure.")
    @click.option("--error", help="Class of the error, like Refused; * matches any text.")
    @click.option("--older-than", type=Age(), help="Failed longer ago than this, like 7d.")
    @click.option("--newer-than", type=Age(), help="Failed more recently than this, like 12h.")
    @click.option("--all", "everything", is_flag=True, help="All letters.")
    @wraps(command)
    def selected(**options: Any) -> None:
        names = Selection.__dataclass_fields__
        given = {name: options.pop(name) for name in names}
        command(selection=Selection(**given), **options)

    return selected
