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

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType[timedelta]):
    """A span of time, like 30m, 12h or 7d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([smhd])", value)
        if match is None:
            self.fail(f"{value!r} is no age; write 30m, 12h or 7d.", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@dataclass(frozen=True)
class Selection:
    """What a letter must be like; what is not said does not matter."""

    ids: tuple[str, ...] = ()
    task: str | None = None
    reason: str | None = None
    error: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    everything: bool = False

    @property
    def is_given(self) -> bool:
        """Whether anything was said."""
        return self != Selection()

    def first(self, letters: DeadLetters, limit: int) -> list[DeadLetter]:
        """The newest letters that fit."""
        return list(islice(self.of(letters.all()), max(limit, 0)))

    def of(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """The letters that fit."""
        moment = datetime.now(UTC)
        return (letter for letter in letters if self._fits(letter, moment - parse_timestamp(letter.failed_at)))

    def _fits(self, letter: DeadLetter, age: timedelta) -> bool:
        texts = ((self.task, letter.task), (self.error, letter.error))
        return (
            (not self.ids or letter.id in self.ids)
            and all(wanted is None or fnmatchcase(found or "", wanted) for wanted, found in texts)
            and self.reason in (None, letter.reason)
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ids and options, and call it with the `selection` made of them."""

    @click.argument("ids", nargs=-1, metavar="[LETTER_ID]...")
    @click.option("--task", help="Of the task with this name; * stands for any text.")
    @click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="With this reason.")
    @click.option("--error", help="With this error, like Refused; * stands for any text.")
    @click.option("--older-than", type=Age(), help="That failed longer ago, like 7d.")
    @click.option("--newer-than", type=Age(), help="That failed since, like 12h.")
    @click.option("--all", "everything", is_flag=True, help="All of them.")
    @wraps(command)
    def selected(**options: Any) -> None:
        names = Selection.__dataclass_fields__
        given = {name: options.pop(name) for name in names}
        command(selection=Selection(**given), **options)

    return selected
