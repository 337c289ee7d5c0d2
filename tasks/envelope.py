"""What a message must look like before Celery's own code may touch it.

Celery and kombu trust their producers: one list item of another shape ends the worker. A `Malformed` says
which part was wrong and never what was in it.
"""

import base64
import json
import math
import re
from datetime import datetime
from typing import Any, cast

from celery.utils.time import maybe_iso8601
from kombu.utils.json import loads

_DEEPEST = 100
_NAME = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_LINKS = ("callbacks", "errbacks", "chain")
_ENCODINGS = (None, "base64", "utf-8")


class Malformed(Exception):
    """A message is not what the protocol says; `part` names what is wrong with it."""

    def __init__(self, part: str = "") -> None:
        super().__init__(part)
        self.part = part


def opened(item: bytes) -> dict[str, Any]:
    """Read a list item of a queue as kombu's envelope.

    Raises: Malformed.
    """
    if depth(item) > _DEEPEST:
        raise Malformed("nesting")
    try:
        envelope = loads(item)
    except Exception as error:  # its decoders raise what they like
        raise Malformed("not JSON") from error
    return check_envelope(envelope)


def check_envelope(envelope: Any) -> dict[str, Any]:
    """Refuse an envelope whose parts have the wrong types.

    Raises: Malformed.
    """
    found = _mapping(envelope, "envelope")
    properties = _mapping(found.get("properties"), "properties")
    delivery = _mapping(properties.get("delivery_info"), "delivery_info")
    _expect(_is_name(properties.get("delivery_tag")), "delivery_tag")
    _expect(properties.get("body_encoding") in _ENCODINGS, "body_encoding")
    _expect(_is_encoded(found.get("body"), properties.get("body_encoding")), "body")
    for name in ("content-type", "content-encoding"):
        _expect(_is_text_or_none(found.get(name)), name)
    for name in ("exchange", "routing_key"):
        _expect(_is_text_or_none(delivery.get(name)), name)
    _mapping(found.get("headers") or {}, "headers")
    return found


def check_task(fields: dict[str, Any]) -> None:
    """Refuse a task message whose headers (protocol 2) or body (protocol 1) have fields of the wrong types.

    Raises: Malformed.
    """
    for name in ("task", "id"):
        _expect(_is_name(fields.get(name)), name)
    for name in ("root_id", "parent_id", "group", "reply_to", "correlation_id"):
        _expect(fields.get(name) is None or _is_name(fields[name]), name)
    for name in ("eta", "expires"):
        _expect(fields.get(name) is None or _is_moment(fields[name]), name)
    _expect(_is_count(fields.get("retries", 0) or 0), "retries")
    _expect(_are_limits(fields.get("timelimit")), "timelimit")
    _expect(fields.get("ignore_result") in (None, True, False), "ignore_result")
    _expect(_is_stamps(fields), "stamps")


def check_arguments(body: Any) -> tuple[list[Any], dict[str, Any]]:
    """Refuse a decoded body whose arguments, or whose chain and callbacks, have the wrong types; return the arguments.

    Raises: Malformed.
    """
    if isinstance(body, dict):
        found = cast("dict[str, Any]", body)
        args, kwargs, embed = found.get("args", []), found.get("kwargs", {}), found
    else:
        _expect(isinstance(body, list) and len(cast("list[Any]", body)) == 3, "body")
        args, kwargs, embed = cast("list[Any]", body)
    _expect(isinstance(args, list), "args")
    names = _mapping(kwargs, "kwargs")
    embedded = _mapping(embed or {}, "embed")
    for name in ("callbacks", "errbacks", "chain"):
        _expect(_are_signatures(embedded.get(name)), name)
    _expect(_is_signature_or_none(embedded.get("chord")), "chord")
    return args, names


def call_of(body: Any) -> dict[str, Any]:
    """What a decoded body asks for: `args`, `kwargs`, and `embed` where more hangs on it (a chain, callbacks).

    Raises: Malformed.
    """
    args, kwargs = check_arguments(body)
    embedded = body if isinstance(body, dict) else body[2] or {}
    links = {name: embedded[name] for name in _LINKS if embedded.get(name)}
    return {"args": args, "kwargs": kwargs, **({"embed": links} if links else {})}


def call_in(envelope: dict[str, Any]) -> dict[str, Any]:
    """What the body of an envelope asks for.

    Raises: Malformed.
    """
    try:
        return call_of(loads(base64.b64decode(envelope["body"])))
    except Malformed:
        raise
    except Exception as error:  # its decoders raise what they like
        raise Malformed("body") from error


def depth(text: bytes | str) -> int:
    """How deep JSON nests at most; the count of brackets is an upper bound, and cheap for what is small."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") <= _DEEPEST:
        return 0
    level = deepest = 0
    for bracket in re.findall(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', raw, re.DOTALL):
        level += (bracket in b"[{") - (bracket in b"]}")
        deepest = max(deepest, level)
    return deepest


def as_bytes(envelope: Any) -> bytes:
    """An envelope as bytes again, for a person to look at."""
    try:
        return json.dumps(envelope, default=repr).encode()
    except (ValueError, RecursionError):
        return repr(type(envelope)).encode()


def is_name(value: Any) -> bool:
    """Whether a value may stand in a log and in a key: printable ASCII without spaces, at most 256 characters."""
    return _is_name(value)


def _expect(holds: bool, part: str) -> None:
    if not holds:
        raise Malformed(part)


def _mapping(value: Any, part: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(part)
    return cast("dict[str, Any]", value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_encoded(body: Any, encoding: str | None) -> bool:
    if not isinstance(body, str) or encoding != "base64":
        return isinstance(body, str)
    try:
        base64.b64decode(body, validate=True)
    except ValueError:
        return False
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_moment(value: Any) -> bool:
    """A moment that can be counted in seconds, also after a shift of time zone."""
    if not isinstance(value, str):
        return False
    try:
        moment = maybe_iso8601(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False
    return isinstance(moment, datetime) and 1971 <= moment.year < 9999


def _are_limits(value: Any) -> bool:
    if value is None:
        return True
    pair = cast("list[Any]", value) if isinstance(value, list | tuple) else []
    return len(pair) == 2 and all(limit is None or _is_duration(limit) for limit in pair)


def _is_duration(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 10 * 365 * 86_400


def _is_stamps(fields: dict[str, Any]) -> bool:
    names, stamps = fields.get("stamped_headers"), fields.get("stamps")
    known = names is None or (isinstance(names, list) and all(_is_name(name) for name in cast("list[Any]", names)))
    return known and (stamps is None or isinstance(stamps, dict))


def _are_signatures(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(map(_is_signature_or_none, cast("list[Any]", value)))


def _is_signature_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and _is_name(cast("dict[str, Any]", value).get("task")))
