"""Which dead letters a command is about: by id, task, reason, error or age."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import wraps
from itertools import islice
from typing import Any

import click

from ...delivery.dead_letters import DeadLetter, DeadLetters, Reason
from ...schemas.fields import parse_timestamp
from .ids import begins

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType[timedelta]):
    """A duration like 30m, 12h or 7d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration that the text names."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([smhd])", value)
        if match is None:
            self.fail(f"{value!r} is not an age. Write it like 30m, 12h or 7d.", param, ctx)
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

    def first(self, letters: DeadLetters, limit: int) -> list[DeadLetter]:
        """The newest letters that meet the criteria."""
        return list(islice(self.of(letters.all()), max(limit, 0)))

    def of(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """The letters that meet the criteria."""
        now = datetime.now(UTC)
        return (letter for letter in letters if self._fits(letter, now - parse_timestamp(letter.failed_at)))

    def _fits(self, letter: DeadLetter, age: timedelta) -> bool:
        texts = ((self.task, letter.task), (self.error, letter.error))
        return (
            (not self.ids or any(begins(letter.id, given) for given in self.ids))
            and all(wanted is None or fnmatchcase(found or "", wanted) for wanted, found in texts)
            and self.reason in (None, letter.reason)
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


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
