"""Request bodies, parsed strictly as JSON whatever the Content-Type says."""

import json
import re
from collections.abc import Callable
from functools import wraps
from itertools import accumulate
from typing import Any, TypeVar, cast

from flask import Response, current_app, request
from flask_smorest import Blueprint, abort  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.http.errors import ParseException  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.exceptions import ClientDisconnected

from ...schemas.base import Payload, Request
from ...schemas.canonical import digest
from ...schemas.fields import Id
from .openapi_parts import ERRORS

M = TypeVar("M")
View = Callable[..., Response]
_MAX_DEPTH = 100
_ID = Id()
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"
_NO_MARKS = bytes(set(range(256)) - set(_OPENING + _CLOSING + b'"'))
_STEPS = bytes.maketrans(_OPENING + _CLOSING, bytes([1, 1, 255, 255]))  # 255 is -1 as a signed byte
# What Gunicorn and werkzeug raise if a body does not arrive as its headers announce.
BROKEN_BODY: tuple[type[Exception], ...] = (ParseException, OSError, ClientDisconnected)


class QueryNumber(fields.Integer):
    """A whole number in a query, from 1 to 10**9, of digits alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(1, 10**9), **kwargs)

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class JsonBlueprint(Blueprint):
    """A blueprint that parses bodies as JSON, whatever their Content-Type, and has typed decorators."""

    def takes_body(self, schema: Schema) -> Callable[[View], View]:
        """Pass the view the body, validated by `schema`."""
        documented_by = cast("Any", self).arguments(schema)

        def decorate(view: View) -> View:
            def receive(**named: Any) -> Response:
                return view(valid(schema, read_json()), **named)

            return _with_documents(receive, documented_by(view))

        return decorate

    def takes_query(self, schema: Schema) -> Callable[[View], View]:
        """Pass the view the query parameters, validated by `schema`; an unknown one is a 422."""
        pass_query = cast("Any", self).arguments(schema, location="query", unknown=RAISE)

        def decorate(view: View) -> View:
            passed = pass_query(view)
            passed.takes_query = True
            return passed

        return decorate

    def responds(
        self, status: int, schema: Schema | None = None, *, errors: tuple[int, ...] = ()
    ) -> Callable[[Callable[..., Any]], View]:
        """Turn the view's model into a response; `errors` lists the statuses that only some operations have."""
        refusals = {code: ERRORS[code][0] for code in errors}

        def decorate(view: Callable[..., Any]) -> View:
            described = cast("Any", self).doc(operationId=view.__name__, responses=refusals)(view)
            documented = cast("Any", self).response(status, schema)(described)
            if schema is None:
                return documented
            written_by = schema

            def respond(*received: Any, **named: Any) -> Response:
                made = view(*received, **named)
                return made if isinstance(made, Response) else _json_response(status, written_by, made)

            return _with_documents(respond, documented)

        return decorate

    def documents(self, **facts: Any) -> Callable[[View], View]:
        """Add to the contract what the code does not say."""
        return cast("Any", self).doc(**facts)


def _with_documents(view: View, documented: View) -> View:
    """Let a view run in place of the one that flask-smorest made, which does more at each call than ours need."""
    run: Any = wraps(documented)(view)
    del run.__wrapped__  # else what looks for it would find a view without this one's work
    return run


def valid(schema: Schema, payload: Any) -> Any:
    """The model of a payload; a 422 that names its wrong fields."""
    try:
        return schema.load(payload)
    except ValidationError as error:
        abort(422, messages={"json": error.messages})


def _json_response(status: int, schema: Schema, made: Any) -> Response:
    written = schema.as_json(made) if isinstance(schema, Payload) else schema.dump(made)
    return current_app.response_class(f"{current_app.json.dumps(written)}\n", status, mimetype="application/json")


def with_derived_ids(schema: type[Request[M]]) -> Request[M]:
    """A schema for a payload that may be repeated: a missing id derives from the body, a missing time stays missing."""
    plain, adapted = schema(), schema()

    def load(payload: Any, **kwargs: Any) -> M:
        return plain.receive(payload, body_digest())

    cast("Any", adapted).load = load
    return adapted


def with_fields_as_sent(schema: type[Request[M]]) -> Request[M]:
    """A schema that gives the view the model and the payload that it was read from; a missing time stays missing."""
    plain, adapted = schema(), schema()

    def load(payload: Any, **kwargs: Any) -> tuple[M, Any]:
        return plain.receive(payload, ""), payload

    cast("Any", adapted).load = load
    return adapted


def rows_of(schema: type[Request[Any]] | dict[str, Any], most: int, *required: str) -> dict[str, Any]:
    """Describe a body of 1 to `most` entries, each of which is read by itself, for the contract.

    `required` names fields that an entry must have beyond those of its schema.
    """
    entry = {"allOf": [schema], "required": list(required)} if required else schema
    rows = {"type": "array", "minItems": 1, "maxItems": most, "items": entry}
    return {"required": True, "content": {"application/json": {"schema": rows}}}


def read_rows(most: int) -> list[Any]:
    """The request's body as a list of 1 to `most` JSON values; a 422 if it is none."""
    payload = read_json()
    if not isinstance(payload, list) or not 1 <= len(cast("list[Any]", payload)) <= most:
        abort(422, message=f"The body must be an array of 1 to {most} entries.")
    return cast("list[Any]", payload)


def read_ids(most: int) -> list[str]:
    """The request's body as a list of 1 to `most` ids; a 422 if it is none."""
    try:
        return [cast("str", _ID.deserialize(one)) for one in read_rows(most)]
    except ValidationError:
        abort(422, message="An entry is not a valid id.")


def read_json() -> Any:
    """The request's body as a JSON value; a 400 if it is not JSON."""
    return parse_json(_whole_body())


def parse_json(body: bytes) -> Any:
    """A body as a JSON value; a 400 if it is not JSON."""
    if _is_deeper(body, _MAX_DEPTH):
        abort(400, message=f"The body is nested deeper than {_MAX_DEPTH} levels.")
    try:
        return json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        abort(400, message="The body is not JSON in UTF-8.")


def body_digest() -> str:
    """A digest of the request's body."""
    return digest(request.get_data().decode("latin-1"))


def _whole_body() -> bytes:
    announced, most = request.content_length, request.max_content_length
    data = as_announced(request.get_data, announced)
    if announced is None and most is not None and len(data) >= most:
        abort(413, message="The body is too large.")  # a chunked body is cut at the limit
    return data


def as_announced(read: Callable[[], bytes], announced: int | None) -> bytes:
    """The body that `read` gives; a 400 if it is not whole."""
    try:
        data = read()
    except BROKEN_BODY:
        data = None
    if data is None or (announced is not None and announced != len(data)):
        abort(400, message="The body ended early, or its chunks are malformed.")
    return data


def _refuse(constant: str) -> None:
    raise ValueError("not a JSON number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a duplicate name in an object")
    return members


def _is_deeper(text: bytes, most: int) -> bool:
    """Whether JSON nests deeper, found in one pass over its brackets outside strings."""
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    unescaped = _ESCAPED.sub(b"", text) if b"\\" in text else text
    # Of the strings, those without a bracket are a pair of quotes now, and go in one pass.
    marks = unescaped.translate(None, _NO_MARKS).replace(b'""', b"")
    steps = memoryview(b"".join(marks.split(b'"')[::2]).translate(_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > most
