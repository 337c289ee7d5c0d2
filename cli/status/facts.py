"""What readings say, by name: each question is answered with None if it was not read."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from ...schemas.fields import parse_timestamp
from ..readings.samples import Fact, Sample


class Facts:
    """Numbers and notes of one or more readings."""

    def __init__(self, said: Iterable[Fact]) -> None:
        self.numbers: dict[tuple[str, ...], float] = {}
        self._notes: dict[tuple[str, ...], str] = {}
        for one in said:
            if isinstance(one, Sample):
                self.numbers[one.name, *one.labels] = one.value
            else:
                self._notes[one.name, *one.labels] = one.text

    def count(self, name: str, *labels: str) -> int | None:
        """A whole number."""
        value = self.numbers.get((name, *labels))
        return None if value is None else int(value)

    def secs(self, name: str, *labels: str) -> float | None:
        """A duration, to the tenth of a second."""
        value = self.numbers.get((name, *labels))
        return None if value is None else round(value, 1)

    def flag(self, name: str, *labels: str) -> bool | None:
        """Whether something is so."""
        value = self.numbers.get((name, *labels))
        return None if value is None else bool(value)

    def state(self, name: str, *labels: str) -> str | None:
        """Which one of several states it is: the one whose number is not 0."""
        return next((found[-1] for found, value in self.all(name, *labels) if value), None)

    def note(self, name: str, *labels: str) -> str | None:
        """A text."""
        return self._notes.get((name, *labels))

    def time(self, name: str, *labels: str) -> datetime | None:
        """A time that a note tells."""
        text = self.note(name, *labels)
        return parse_timestamp(text) if text else None

    def moment(self, name: str, *labels: str) -> datetime | None:
        """A time that a number tells, in seconds since 1970."""
        value = self.numbers.get((name, *labels))
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def all(self, name: str, *labels: str) -> Iterator[tuple[tuple[str, ...], float]]:
        """Every number of this name whose first labels are these, each with all its labels."""
        wanted = (name, *labels)
        for key, value in self.numbers.items():
            if key[: len(wanted)] == wanted:
                yield key[1:], value
