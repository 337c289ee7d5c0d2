"""Request bodies: JSON whatever the Content-Type says, strictly read."""

import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Request as HttpRequest
from flask import Response, request
from flask_smorest import Blueprint, abort  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.http.errors import ParseException  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import RAISE, Schema, fields, validate
from webargs.flaskparser import FlaskParser

from ...schemas.base import Request, digest
from .openapi_parts import ERRORS

M = TypeVar("M")
View = Callable[..., Response]
_DEEPEST = 100
# What the server raises where a body does not come as it was announced.
BROKEN: tuple[type[Exception], ...] = (ParseException, OSError)


class Number(fields.Integer):
    """A whole number of a query, from 1 to 10**9: digits and nothing else."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(1, 10**9), **kwargs)

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class BodyParser(FlaskParser):
    """Reads a body as JSON without asking for its Content-Type."""

    def load_json(self, req: HttpRequest, schema: Schema) -> Any:
        """Read the body."""
        return read_json()


class JsonBlueprint(Blueprint):
    """A blueprint whose bodies are read by `BodyParser`, and whose decorators have types."""

    ARGUMENTS_PARSER = BodyParser()

    def accepts(self, schema: Schema) -> Callable[[View], View]:
        """Give the view the body, checked by `schema`."""
        return cast("Any", self).arguments(schema)

    def asks(self, schema: Schema) -> Callable[[View], View]:
        """Give the view the query parameters, checked by `schema`; unknown ones are typos."""
        return cast("Any", self).arguments(schema, location="query", unknown=RAISE)

    def answers(
        self, status: int, schema: Schema | None = None, *, errors: tuple[int, ...] = ()
    ) -> Callable[[Callable[..., Any]], View]:
        """Make the view's model a response, and pass a response on; `errors` are those that not every view has."""
        refusals = {code: ERRORS[code][0] for code in errors}

        def decorate(view: Callable[..., Any]) -> View:
            described = cast("Any", self).doc(operationId=view.__name__, responses=refusals)(view)
            return cast("Any", self).response(status, schema)(described)

        return decorate

    def documents(self, **facts: Any) -> Callable[[View], View]:
        """Say in the contract what the code does not."""
        return cast("Any", self).doc(**facts)


def received(schema: type[Request[M]]) -> Request[M]:
    """A schema for a payload that may come twice: absent ids derive from the body, absent moments stay absent."""
    plain, adapted = schema(), schema()

    def load(payload: Any, **kwargs: Any) -> M:
        return plain.receive(payload, body_digest())

    cast("Any", adapted).load = load
    return adapted


def read_json() -> Any:
    """The request's body as a JSON value; anything else is a 400."""
    try:
        value = json.loads(_whole_body().decode(), parse_constant=_refuse, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        abort(400, message="The body is not JSON in UTF-8.")
    if _is_deeper(value, _DEEPEST):
        abort(400, message=f"The body is nested deeper than {_DEEPEST} levels.")
    return value


def body_digest() -> str:
    """The same for the same bytes."""
    return digest(request.get_data().decode("latin-1"))


def _whole_body() -> bytes:
    announced, most = request.content_length, request.max_content_length
    try:
        data = request.get_data()
    except BROKEN:
        abort(400, message="The body broke off, or is not in the chunks that it should be in.")
    if announced is None and most is not None and len(data) >= most:
        abort(413, message="The body is too large.")  # a chunked one was cut at the limit
    if announced is not None and announced != len(data):
        abort(400, message="The body ended early.")
    return data


def _refuse(constant: str) -> None:
    raise ValueError("not a JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name twice in one object")
    return members


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
