"""The rows of a listing: those that can be read, and what is said of the others, whoever could not read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from marshmallow import ValidationError, fields

from .base import Response
from .fields import MAX_ID_LENGTH, ReadCount, Text

Messages = dict[int, Any]


@dataclass(frozen=True)
class UnreadableRow:
    """A row that a page left out: its place among all rows of the page, from 0, and the field that cannot be read."""

    index: int
    field: str = ""  # empty if no field alone is wrong


class UnreadableRowSchema(Response[UnreadableRow]):
    model = UnreadableRow

    index = ReadCount(required=True)
    field = Text(longest=MAX_ID_LENGTH)


class ReadRows(list[Any]):
    """The readable rows of a listing; `unreadable` names what is wrong in each of the others, by its index."""

    unreadable: Mapping[int, Any] = {}


class Rows(fields.List[Any]):
    """The rows of a listing; those that break their schema are skipped, unless none can be read."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> ReadRows:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        rows, unreadable = ReadRows(), dict[int | str, Any]()
        for index, row in enumerate(cast("list[Any]", value)):
            try:
                rows.append(self.inner.deserialize(row, **kwargs))
            except ValidationError as error:
                unreadable[index] = error.messages
        if unreadable and not rows:
            raise ValidationError(unreadable)  # pyright: ignore[reportArgumentType]  # as List itself does
        rows.unreadable = cast("Messages", unreadable)
        return rows


class UnreadableRows(fields.List[Any]):
    """What a service says of rows that it could not read; left out if there are none.

    What has another form is ignored, because other services may mean something else by this name.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.Nested(UnreadableRowSchema), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        told = cast("list[Any]", value) if isinstance(value, list) else []
        return [row for row in map(_read, told) if row]

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(value, attr, obj, **kwargs) or None


def merge_unreadable(data: dict[str, Any], name: str, known: frozenset[str]) -> None:
    """Put together which rows of a page the service could not read and which broke their schema.

    Both `data["unreadable"]` and the rows themselves, `data[name]`, say so. A field that the service names and that is
    none of those `known` stays unnamed, because it may be anything.
    """
    rows, told = cast("ReadRows", data[name]), cast("list[UnreadableRow]", data.get("unreadable", []))
    messages: Messages = {row.index: {row.field: []} if row.field in known else [] for row in told}
    places = (place for place in count() if place not in messages)
    listed = zip(range(len(rows) + len(rows.unreadable)), places, strict=False)
    ours = {place: rows.unreadable[index] for index, place in listed if index in rows.unreadable}
    rows.unreadable = dict(sorted({**messages, **ours}.items()))
    data["unreadable"] = [UnreadableRow(index, first_field(said)) for index, said in rows.unreadable.items()]


def first_field(messages: Any) -> str:
    """Return the first field that a row's errors name; empty if they are about the row as a whole."""
    named = cast("dict[Any, Any]", messages) if isinstance(messages, dict) else {}
    return next((str(name) for name in named if name != "_schema"), "")


def _read(row: Any) -> UnreadableRow | None:
    try:
        return _SCHEMA.read(row)
    except ValidationError:
        return None


_SCHEMA = UnreadableRowSchema()
