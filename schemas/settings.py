"""Settings read from the environment into frozen objects, every mistake reported at once."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import marshmallow
from marshmallow import fields, validate

FILE = "_FILE"  # the suffix of a variable that names the file with a secret
_KEY = "setting"


@dataclass(frozen=True)
class Setting:
    """One row of the table of settings: the variable's name, its field, its meaning."""

    name: str
    field: fields.Field[Any]
    meaning: str
    secret: bool
    may_be_empty: bool = False  # a variable that is set and empty says something else than an absent one


@dataclass(frozen=True)
class _Unread:
    """Stands for a value that could not be read, until all mistakes are reported."""

    mistake: str


def setting(
    name: str,
    field: fields.Field[Any],
    default: Any,
    meaning: str,
    *,
    secret: bool = False,
    may_be_empty: bool = False,
) -> Any:
    """Declare a dataclass field that is read from the environment variable `name`."""
    described = Setting(name, field, meaning, secret, may_be_empty)
    return dataclasses.field(default=default, repr=not secret, metadata={_KEY: described})


def seconds() -> fields.Float:
    """More than zero seconds, at most a day."""
    return fields.Float(validate=validate.Range(0, 86_400, min_inclusive=False))


def number(least: int, most: int) -> fields.Integer:
    """A whole number in a range."""
    return fields.Integer(validate=validate.Range(least, most))


@dataclass(frozen=True)
class Settings:
    """A group of settings, from arguments or `from_env`; a mistake raises `invalid`."""

    invalid: ClassVar[type[Exception]] = ValueError

    def __post_init__(self) -> None:
        """Check every value.

        Raises: `invalid`, listing all mistakes in one message.
        """
        mistakes = self.find_mistakes()
        if mistakes:
            raise self.invalid(explain(mistakes))

    def find_mistakes(self) -> list[str]:
        """Convert every value to its type, and return what is wrong with each."""
        return list(self._check_fields()) or list(self.mistakes())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the group from the environment; an empty variable counts as absent, unless it may be empty.

        Raises: `invalid`, listing all mistakes in one message.
        """
        return cast(Self, read_all(environ, cls)[0])

    @classmethod
    def table(cls) -> list[tuple[str, Setting, Any]]:
        """Return every setting of the group: attribute, description, default."""
        pairs = [(field, field.metadata.get(_KEY)) for field in dataclasses.fields(cls)]
        return [(field.name, found, field.default) for field, found in pairs if found is not None]

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong between fields that are valid by themselves."""
        yield from ()

    def _check_fields(self) -> Iterator[str]:
        for attribute, described, default in self.table():
            value = getattr(self, attribute)
            if isinstance(value, _Unread):
                yield f"{attribute} ({described.name}): {value.mistake}"
                continue
            if value is None and default is None:
                continue
            try:
                object.__setattr__(self, attribute, described.field.deserialize(value))
            except marshmallow.ValidationError as error:
                yield f"{attribute} ({described.name}): {' '.join(map(str, error.messages))}"


def read_all(environ: Mapping[str, str] | None, *groups: type[Settings]) -> list[Settings]:
    """Read several groups together.

    Raises: the `invalid` of the first group, listing the mistakes of all groups.
    """
    made = [_unchecked(group, os.environ if environ is None else environ) for group in groups]
    mistakes = [mistake for group in made for mistake in group.find_mistakes()]
    if mistakes:
        raise groups[0].invalid(explain(list(dict.fromkeys(mistakes))))
    return made


def explain(mistakes: list[str]) -> str:
    """Return all mistakes as one message, one per line."""
    return "\n".join(["These settings are wrong:", *(f"  - {mistake}" for mistake in mistakes)])


def _unchecked(group: type[Settings], environ: Mapping[str, str]) -> Settings:
    made = object.__new__(group)
    for attribute, described, default in group.table():
        given = _given(described, environ)
        is_given = given or (described.may_be_empty and described.name in environ)
        object.__setattr__(made, attribute, given if is_given else default)
    return made


def _given(described: Setting, environ: Mapping[str, str]) -> str | _Unread:
    value = environ.get(described.name, "").strip()
    variable = f"{described.name}{FILE}"
    path = environ.get(variable, "").strip() if described.secret else ""
    if value and path:
        return _Unread(f"{variable} is set too; keep one of the two.")
    return _read_secret(variable, Path(path)) if path else value


def _read_secret(variable: str, path: Path) -> str | _Unread:
    """Return the content of a mounted secret; an error never quotes it."""
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        return _Unread(f"{variable} names a file that cannot be read ({error.strerror}): {path}")
    except UnicodeDecodeError:
        return _Unread(f"{variable} names a file that is not text: {path}")
    return text or _Unread(f"{variable} names a file that is empty: {path}")
