"""JSON in the canonical form of RFC 8785 (JCS), and the digest of archived content in it.

A service that parses JSON as JavaScript does gives 1.0 back as 1: both are written as 1 here. What is stored, and what
ids are made of, stays in the form of `canonical_json`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, cast

import orjson

from .canonical import digest

FORM = "jcs"  # as `digest_form` of an archive's metadata
_DEEPEST = 128  # half of what orjson writes in one go
_LEAST, _MOST = -(2**63), 2**64 - 1  # of the integers that orjson writes
_PLAIN_LEAST, _PLAIN_MOST = 1e-6, 1e21  # numbers from here to there have no exponent (ECMA-262, Number::toString)


def jcs(value: Any) -> bytes:
    """Return a JSON value in the form of RFC 8785.

    Integers beyond ±(2^53 - 1), which RFC 8785 cannot represent, are written in all their digits.
    Raises: ValueError or TypeError if the value is not JSON that UTF-8 can carry.
    """
    return orjson.dumps(_prepared(value, 0))


def content_digest(data: Any) -> str:
    """Return the SHA-256 of an archive's content by RFC 8785, in hexadecimal."""
    return hashlib.sha256(jcs(data)).hexdigest()


def is_intact(data: Any, metadata: Mapping[str, Any]) -> bool:
    """Return whether content has the digest that its archive's metadata names, in the form that it names.

    Without `digest_form` the digest is that of Python's sorted JSON. A form that is not known cannot be confirmed.
    """
    form = metadata.get("digest_form")
    if form not in (None, FORM):
        return False
    return metadata.get("digest") == (content_digest(data) if form else digest(data))


def _prepared(value: Any, depth: int) -> Any:
    """Return the value with sorted keys, and what orjson would write otherwise as the text that it must write."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return orjson.Fragment(_number(value))
    if isinstance(value, int):
        return value if _LEAST <= value <= _MOST else orjson.Fragment(str(value))
    if depth == _DEEPEST:
        return orjson.Fragment(jcs(value))
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _prepared(members[key], depth + 1) for key in _sorted(members)}
    if isinstance(value, list | tuple):
        return [_prepared(item, depth + 1) for item in cast("list[Any]", value)]
    raise TypeError("not a JSON value")


def _sorted(keys: Iterable[str]) -> list[str]:
    """Return keys in the order of their UTF-16 code units; UTF-8's order differs beyond U+D7FF."""
    ordered = sorted(keys)
    return ordered if "".join(ordered).isascii() else sorted(ordered, key=lambda key: key.encode("utf-16-be"))


def _number(number: float) -> str:
    """Return a number as ECMAScript writes it: the fewest digits that mean it, `1e+21` and `1e-7` with an exponent."""
    if not isfinite(number):
        raise ValueError("not a JSON number")
    text, size = repr(number), abs(number)
    if "e" not in text:
        return text.removesuffix(".0") if number else "0"  # -0.0 is 0
    if _PLAIN_LEAST <= size < _PLAIN_MOST:
        return f"{Decimal(text):f}"
    digits, _, exponent = text.partition("e")
    return f"{digits}e{int(exponent):+d}"
