"""The permits of a queue: how many messages may be taken from it. `scripts/take.lua` reads them."""

from typing import Any

HELD = -1  # permits of a held queue: no message may be taken from it, and none that was taken may start
_SECS = 3600  # the leading worker sets them every second


def set_permits(redis: Any, key: str, permits: int | None, *, lasting: bool = False) -> None:
    """Let all workers together take `permits` more messages of the queue of this key; None lifts the limit.

    A limit that nobody sets again for an hour ends: a release or a setting that knows nothing of it may follow. A
    `lasting` one stays, also while no worker runs.
    """
    if permits is None:
        redis.delete(key)
    else:
        redis.set(key, permits or HELD, ex=None if lasting else _SECS)
