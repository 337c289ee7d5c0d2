"""The sweeps of a span of time, as far as Redis still has them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from .keys import INDEX, key
from .state import KEPT_SECS, Sweep

_READ_AT_ONCE = 200
_SKEW_SECS = 60  # the index and the record of a sweep are stamped one after the other


def known_from(time: datetime) -> datetime:
    """The time from which on Redis has sweeps at `time`; of those that began earlier it says nothing."""
    return time - timedelta(seconds=KEPT_SECS)


def sweeps_between(redis: Redis, start: datetime, end: datetime) -> Iterator[Sweep | None]:
    """Yield the sweeps that began in this time, oldest first; None for one whose record is gone or cannot be read."""
    first, last = start.timestamp(), end.timestamp()
    found: Any = redis.zrangebyscore(INDEX, first - _SKEW_SECS, last + _SKEW_SECS, withscores=True)
    for at in range(0, len(found), _READ_AT_ONCE):
        some = found[at : at + _READ_AT_ONCE]
        with redis.pipeline(transaction=False) as pipe:
            for sweep_id, _ in some:
                pipe.hgetall(key(sweep_id.decode(errors="replace")))
            for (sweep_id, indexed_at), record in zip(some, pipe.execute(), strict=True):
                sweep = _read(sweep_id, record)
                if first <= (sweep.started_at.timestamp() if sweep else indexed_at) < last:
                    yield sweep


def _read(sweep_id: bytes, record: dict[bytes, bytes]) -> Sweep | None:
    try:
        sweep = Sweep.found(sweep_id.decode(), record)
    except (ValueError, TypeError, LookupError):
        return None
    return None if sweep is None or sweep.broken else sweep
