"""JSON whose bytes depend only on the value, and what is made of them: digests, and ids that a repeat has again."""

import hashlib
import json
from typing import Any, cast
from uuid import UUID, uuid5

import orjson

# The namespace of all derived ids: the same input gives the same id, for ever.
NAMESPACE = UUID("6c3a3f0e-5f0b-5a67-9a57-3b8b3f6d7c11")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_SAME_IN_ORJSON = frozenset({str, int, bool, type(None)})


def canonical_json(value: Any) -> bytes:
    """Return JSON whose bytes depend only on the value: sorted keys, no spaces, UTF-8."""
    if _is_the_same_in_orjson(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a key that is no text, a number of over 64 bits, text that UTF-8 cannot carry
            pass
    return _CANONICAL(value).encode()


def _is_the_same_in_orjson(value: Any) -> bool:
    """Return whether orjson, ten times as fast, writes the same; it writes some floats in another way."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind in _SAME_IN_ORJSON
    inner = cast("dict[Any, Any]", value).values() if kind is dict else cast("list[Any]", value)
    return _SAME_IN_ORJSON.issuperset(map(type, inner)) or all(map(_is_the_same_in_orjson, inner))


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value's canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def derived_id(*parts: Any) -> str:
    """Return the same UUID for the same parts, in every process and for ever (RFC 9562, version 5)."""
    return str(uuid5(NAMESPACE, canonical_json(parts).decode()))
