"""New UUIDs: random ones, and ones in the order of time; their random bytes are drawn in batches."""

import os
import time
from uuid import UUID

_BYTES = 16
_DRAWN_AT_ONCE = 100
_drawn: list[bytes] = []


def random_id() -> str:
    """Return a random UUID (RFC 9562, version 4)."""
    return str(UUID(bytes=_random_bytes(), version=4))


def time_ordered_id() -> str:
    """Return a UUID that sorts by the millisecond it was made in (RFC 9562, version 7).

    For whatever a service keeps under an index: new entries then share its last pages. Python has one from 3.14 on.
    """
    moment, random = f"{time.time_ns() // 1_000_000:012x}", _random_bytes()
    digits = random.hex()
    # Written at once, because a UUID object takes three times as long.
    return f"{moment[:8]}-{moment[8:]}-7{digits[:3]}-{'89ab'[random[15] & 3]}{digits[3:6]}-{digits[6:18]}"


def _random_bytes() -> bytes:
    """Return 16 random bytes.

    They are drawn in batches, because each read of `os.urandom` releases the interpreter's lock, and among busy threads
    that costs a turn.
    """
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            drawn = os.urandom(_BYTES * _DRAWN_AT_ONCE)
            _drawn.extend(drawn[at : at + _BYTES] for at in range(0, len(drawn), _BYTES))


# A forked child must not return the ids that its parent returns.
os.register_at_fork(after_in_child=_drawn.clear)
