"""Counters in Redis, read and raised as if anybody had written them: one that is no number counts from zero again."""

import re
from typing import Any

from redis.exceptions import ResponseError

_WHOLE = re.compile(rb"-?[0-9]{1,18}")  # what Redis itself can add to
_NO_NUMBER = ("not an integer", "overflow")  # in what it says of anything else


def is_number(raw: bytes) -> bool:
    """Whether a counter holds a whole number."""
    return _WHOLE.fullmatch(raw) is not None


def number_of(raw: bytes | None) -> int:
    """The number that a counter holds; 0 if it holds none."""
    return int(raw) if raw is not None and is_number(raw) else 0


def count_in_hash(redis: Any, key: str, field: str, number: int = 1) -> int:
    """Add to a field of a hash, and return the sum.

    Raises: redis.RedisError, also if the key holds data of another type.
    """
    try:
        return int(redis.hincrby(key, field, number))
    except ResponseError as error:
        if not any(words in str(error) for words in _NO_NUMBER):
            raise
    redis.hset(key, field, number)
    return number
