"""The fields of payloads, each with its limits."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from marshmallow import ValidationError, fields, validate

MAX_ID_LENGTH = 256
MAX_KEY_LENGTH = 255
MAX_COUNT = 2**63 - 1
MAX_DAYS = 365_000
FIRST_TIME, LAST_TIME = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
DEEPEST, LARGEST_CHARACTERS = 64, 65_536  # limits of JSON that shares a message with other payloads
_RFC3339 = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_FLAT = frozenset({str, int, bool, type(None)})
_KEY = re.compile(r"[\x21-\x7e]+", re.ASCII)
# Controls (C0, DEL, C1), line ends and bidi marks. The last are in the class as themselves, because the engines that
# read a JSON Schema spell an escape above 255 in different ways.
NOT_IN_ID = "[\\x00-\\x1f\\x7f-\\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_NOT_IN_ID = re.compile(NOT_IN_ID)


class Text(fields.String):
    """Text of at most `longest` characters that UTF-8 can carry (no lone surrogates, no NUL)."""

    default_error_messages = {
        "encoding": "Not text that UTF-8 and every database can carry (no lone surrogates, no NUL).",
        "length": "Must have {shortest} to {longest} characters.",
    }

    def __init__(self, *, shortest: int = 0, longest: int = 10_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shortest, self.longest = shortest, longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if "\x00" in value or not _is_utf8(value):
            raise self.make_error("encoding")
        if not self.shortest <= len(value) <= self.longest:
            raise self.make_error("length", shortest=self.shortest, longest=self.longest)
        return value

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value if type(value) is str else super()._serialize(value, attr, obj, **kwargs)


class Id(Text):
    """An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`."""

    default_error_messages = {"id": "Not an id: control and bidi characters, '.' and '..' are refused."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(shortest=1, longest=MAX_ID_LENGTH, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text in {".", ".."} or _NOT_IN_ID.search(text):
            raise self.make_error("id")
        return text


class IdOrEmpty(Id):
    """An id as it goes into a path, or an empty text for none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shortest = 0


class Key(Text):
    """An idempotency key, as a header and a task's id can carry it: printable ASCII without spaces."""

    default_error_messages = {"key": "Must be printable ASCII without spaces."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(shortest=1, longest=MAX_KEY_LENGTH, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _KEY.fullmatch(text):
            raise self.make_error("key")
        return text


class Count(fields.Integer):
    """A whole number from 0 to 2**63 - 1; neither `true` nor "5" is one."""

    def __init__(self, *, least: int = 0, most: int = MAX_COUNT, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **kwargs)
        self.least, self.most = least, most

    def _validate(self, value: Any) -> None:
        if not self.least <= value <= self.most:
            super()._validate(value)  # says what is wrong

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value if type(value) is int else super()._serialize(value, attr, obj, **kwargs)

    def _validated(self, value: Any) -> int:
        if type(value) is int:
            return value
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class ReadCount(Count):
    """A count as a service returns it: `3.0` is 3, because JSON has but one kind of number."""

    def _validated(self, value: Any) -> int:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


class Days(Count):
    """A retention in days, 1 to 365,000."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=1, most=MAX_DAYS, **kwargs)


class Amount(fields.Float):
    """A finite number; neither `true` nor "0.5" is one."""

    def __init__(self, *, least: float | None = None, most: float | None = None, **kwargs: Any) -> None:
        super().__init__(allow_nan=False, validate=validate.Range(least, most), **kwargs)

    def _validated(self, value: Any) -> float:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Switch(fields.Boolean):
    """`true` or `false`; neither 1 nor "yes" is one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Timestamp(fields.Field[datetime]):
    """An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`."""

    default_error_messages = {
        "invalid": "Not an RFC 3339 timestamp with seconds and an offset, like 2026-01-31T12:00:00Z."
    }

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_timestamp(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else parse_timestamp(value)
            if moment.tzinfo is None:
                raise self.make_error("invalid")
            return moment.astimezone(UTC)
        except (ValueError, TypeError, OverflowError) as error:
            raise self.make_error("invalid") from error


class SentTimestamp(Timestamp):
    """An RFC 3339 timestamp with an offset that every database and time zone can hold.

    That is from 0001-01-02T00:00:00Z to 9999-12-31T00:00:00Z; read to the microsecond and written in UTC with `Z`.
    """

    default_error_messages = {"range": "Must be from 0001-01-02T00:00:00Z to 9999-12-31T00:00:00Z."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        if not FIRST_TIME <= moment <= LAST_TIME:
            raise self.make_error("range")
        return moment


class AskedAt(SentTimestamp):
    """When a change of a session was asked for, by the sender's clock: it decides if messages come in another order.

    A task's producer fills it in.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)


class Json(fields.Raw):
    """Any JSON value that UTF-8 can carry: no NaN, no infinity, no lone surrogates, no endless nesting."""

    default_error_messages = {"invalid": "Not JSON that UTF-8 can carry."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if _copied(value) is not None:
            return value
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise self.make_error("invalid") from error
        return value


class JsonObject(Json):
    """A JSON object."""

    default_error_messages = {"object": "Not a JSON object."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("object")
        return super()._deserialize(value, attr, data, **kwargs)


class ModestObject(JsonObject):
    """A JSON object that shares its message with other payloads, so it must be neither deep nor large."""

    default_error_messages = {
        "nested": "Nested deeper than {deepest} levels.",
        "large": "Over {largest} characters of JSON.",
        "marked": "An object of __type__ and __value__ alone is a mark of the queue's own, and would not come through.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        copied = _copied(value) if isinstance(value, dict) else None
        if copied is not None and _is_modest(copied[0]):
            return copied[1]
        checked = super()._deserialize(value, attr, data, **kwargs)
        if not checked:
            return {}
        text = json.dumps(checked)
        if len(text) > LARGEST_CHARACTERS:
            raise self.make_error("large", largest=LARGEST_CHARACTERS)
        if text.count("{") + text.count("[") > DEEPEST and _depth(checked) > DEEPEST:
            raise self.make_error("nested", deepest=DEEPEST)
        if '"__type__"' in text and _is_marked(checked):
            raise self.make_error("marked")
        return json.loads(text)  # a copy, because the sender may change the original


class Choice(fields.Enum[Any]):
    """One of an enum's values; another text, which a newer service may know, is read as it is."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            return _OTHER_CHOICE.deserialize(value)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return str(value) if isinstance(value, str) else super()._serialize(value, attr, obj, **kwargs)


_OTHER_CHOICE = Text(shortest=1, longest=MAX_ID_LENGTH)


class Tags(fields.List[str]):
    """A list of at most 100 short texts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Text(shortest=1, longest=MAX_ID_LENGTH), validate=validate.Length(max=100), **kwargs)


def _copied(value: Any) -> tuple[bytes, Any] | None:
    """Return a plain JSON value as text and as a copy; None if json.dumps must decide."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS)
        copy = orjson.loads(text)
        return (text, copy) if copy == value else None  # NaN is written as null, a date as text
    except (TypeError, ValueError, RecursionError):  # orjson's own errors are of these
        return None


def is_plain_and_modest(value: Any) -> bool:
    """Return whether a value is certainly a modest object, and nothing but JSON; False needs a closer look."""
    text = _plain_text(value) if type(value) is dict else None
    return text is not None and _is_modest(text)


def _plain_text(value: dict[Any, Any]) -> bytes | None:
    """Return an object that is certainly plain JSON as text; if it is flat, it need not be read again to know that."""
    if not _FLAT.issuperset(map(type, value.values())):
        copied = _copied(value)
        return copied and copied[0]
    try:
        return orjson.dumps(value)
    except TypeError:  # a key that is no text, a number of over 64 bits, text that UTF-8 cannot carry
        return None


def _is_modest(text: bytes) -> bool:
    """Return whether the text shows that JSON is within every limit of a modest object; False needs a closer look."""
    openings = text.count(b"{") + text.count(b"[")
    # Escaped and spaced as the limit counts it, a byte of it is three characters at most, but DEL is six.
    return (
        3 * (len(text) + text.count(b"\x7f")) <= LARGEST_CHARACTERS
        and openings <= DEEPEST
        and b'"__type__"' not in text
    )


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list | tuple) else ()


def _depth(value: Any) -> int:
    """Return how many levels deep JSON nests."""
    level, depth = [value], 0
    while level := [inner for outer in level for inner in _inside(outer)]:
        depth += 1
    return depth


def _is_marked(value: Any) -> bool:
    """Return whether kombu would read an object anywhere inside as a value of another type."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict) and cast("dict[Any, Any]", one).keys() == {"__type__", "__value__"}:
            return True
        left.extend(_inside(one))
    return False


def format_timestamp(moment: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC, with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 timestamp; digits beyond the microsecond are dropped.

    Raises: ValueError if the seconds or the offset are missing, or the date does not exist.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not RFC 3339")
    fraction = (match["fraction"] or ".0")[:7]
    return datetime.fromisoformat(f"{match['seconds'].upper()}{fraction:0<7}{match['offset'].upper()}")


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
