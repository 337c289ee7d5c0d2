"""A month of the calendar, in UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

_DECEMBER = 12


@dataclass(frozen=True)
class Month:
    """A month: from its first moment to before the first one of the next."""

    name: str
    start: datetime
    end: datetime


class MonthType(click.ParamType[Month]):
    """A month like 2026-10 that has begun."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        """The month that the text names."""
        if isinstance(value, Month):
            return value
        match = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", value)
        if match is None or match[1] == "0000":
            self.fail(f"{value!r} is not a month. Write it like 2026-10.", param, ctx)
        year, number = int(match[1]), int(match[2])
        start = datetime(year, number, 1, tzinfo=UTC)
        if start > datetime.now(UTC):
            self.fail(f"{value} has not begun yet (in UTC).", param, ctx)
        after = (year + 1, 1) if number == _DECEMBER else (year, number + 1)
        return Month(value, start, datetime(*after, 1, tzinfo=UTC))
