"""One request of an HTTP client: what is asked, in which forms, and how its parts are written."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import marshmallow
import orjson

from ..schemas.base import Payload, ValidationError
from ..schemas.canonical import derived_id
from ..schemas.fields import Id
from .errors import IntegrationError
from .repeats import repeat_needs_keys

_ID = Id()


@dataclass
class Call:
    """One request: `ids` fill the braces of the route, `body` is JSON that follows `schema`.

    A call that is not `repeatable` is not sent again if the service may have done it. `subject` names what a call
    without ids in its route is about, if not its whole body. `expects` are fields that its response must have.
    One that `needs_deduplication` is `repeatable` if the service deduplicates by key, as was believed when it was sent,
    and said then that it knows a key for `keys_kept_days`; if a `repeat_needs_keys`, because an earlier attempt
    may have done it, it is not sent again where that is no longer believed.
    With an `extension`, this is the form for a service that does not know the extension; with a `requirement`, there is
    no such form.
    """

    operation: str
    method: str
    route: str
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, int | str | None] = field(default_factory=dict[str, "int | str | None"])
    body: Any = None
    schema: Payload[Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str | None = None
    authenticated: bool = True
    timeout_secs: float | None = None
    repeatable: bool = True
    needs_deduplication: bool = False
    keys_kept_days: int | None = None
    repeat_needs_keys: bool = field(default_factory=repeat_needs_keys)
    subject: str = ""
    expects: Mapping[str, str] = field(default_factory=dict[str, str])
    extension: "Extension | None" = None
    requirement: "Requirement | None" = None
    path: str = field(init=False)

    def __post_init__(self) -> None:
        """Build the path from the route, the percent-encoded ids and the query.

        Raises: ValidationError if an id is empty, too long, `.` or `..`, before the breaker or the log sees the call.
        """
        ids = {name: path_id(name, value) for name, value in self.ids.items()}
        query = urlencode({name: value for name, value in self.query.items() if value is not None})
        self.path = self.route.format(**ids) + (f"?{query}" if query else "")

    def identity(self) -> bytes:
        """Return what makes a failing request the same one again: its ids, else its subject, else its body.

        A listing has none of these, so all of its pages are one request.
        """
        known = " ".join([*self.ids.values(), self.subject]).encode(errors="replace")
        return known if known or self.body is None else encode(self.body)


def _always(response: Any) -> bool:
    return True


@dataclass(frozen=True)
class Extension:
    """The form of a call that only a service with `capability` knows.

    `form` makes it of the capability's facts, which come unchecked from /health; None if they do not cover this call.
    `was_done` tells from a response whether a field that the extension adds had its effect. A form with another body
    has an idempotency key of its own.
    One that `guards` keeps the call from doing harm: it is left out only where it is certain that the service does not
    know it, and `form` gets None for facts that could not be read.
    """

    capability: str
    form: Callable[[Any], Call | None]
    was_done: Callable[[Any], bool] = _always
    guards: bool = False


@dataclass(frozen=True)
class Requirement:
    """The capability without which a service cannot do a call, and what its caller does instead.

    The call is sent all the same: /health may be a proxy's. A service that knows no such route refuses it for good.
    """

    capability: str
    instead: str


def encode(payload: Any) -> bytes:
    """Return the payload as the JSON bytes to send."""
    try:
        return orjson.dumps(payload)
    except TypeError:  # integers over 64 bits, keys that are not text
        return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def header_key(key: str) -> str:
    """Return the key if a header can carry it, else a UUID derived from it: a task id may be any text."""
    return key if re.fullmatch(r"[\x21-\x7e]{1,255}", key) else derived_id("idempotency", key)


def path_id(name: str, value: str) -> str:
    """Return an id as one percent-encoded segment of a path.

    Raises: ValidationError if it is empty, too long, `.` or `..`.
    """
    try:
        return quote(_ID.deserialize(value), safe="")
    except marshmallow.ValidationError as error:
        raise ValidationError({name: error.messages}) from error


def located(
    error: IntegrationError, call: Call, service: str, status: int | None, request: str | None
) -> IntegrationError:
    """Return the error with where it happened, and what was believed of keys."""
    known = error.status if status is None else status
    believed = call.repeatable if call.needs_deduplication else None
    waits, days = error.retry_after_secs, call.keys_kept_days
    located = (service, call.operation, known, request, waits, believed, error.fields, days)
    return type(error)(error.message, *located)
