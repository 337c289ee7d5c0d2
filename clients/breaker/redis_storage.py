"""The state of a breaker that all workers share."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pybreaker
from redis import Redis
from redis.exceptions import RedisError

from .storage import DIGEST_BYTES, FAIL_MAX, RESET_SECS, Storage, new_closing

logger = logging.getLogger(__name__)

# A probe that has neither succeeded nor failed after this time was killed; the next one may start.
PROBE_SECS = 90.0
CACHE_SECS = 0.2
_KEY = "memory_graph:breaker"
_STATES = (pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN)
# Counts a failure unless its request was counted since the last success: one round trip, and atomic for all workers.
_COUNT_REQUEST = """
local counted = redis.call('HGET', KEYS[1], 'requests') or ''
if string.find(counted, ARGV[1], 1, true) then
  return tonumber(redis.call('HGET', KEYS[1], 'failures') or '0')
end
redis.call('HSET', KEYS[1], 'requests', string.sub(ARGV[1] .. ' ' .. counted, 1, tonumber(ARGV[2])))
return redis.call('HINCRBY', KEYS[1], 'failures', 1)
"""
_MOST_REQUEST_CHARACTERS = FAIL_MAX * (2 * DIGEST_BYTES + 1)


class RedisStorage(Storage):
    """The state of a breaker in Redis, shared by all workers.

    It is read at most every 0.2 s, and a success writes only if there are failures to reset. The pause is an expiring
    key, so the clock of Redis decides and not the worker's. While Redis is unreachable, the last known state holds.
    """

    def __init__(self, redis: "Redis", service: str, reset_secs: float = RESET_SECS, key_prefix: str = "") -> None:
        super().__init__("redis")
        self._redis = redis
        self._key = f"{key_prefix}{_KEY}:{service}"
        self._reset_secs = reset_secs
        self._known: dict[str, str] = {}
        self._read_at = -CACHE_SECS
        self._open_until = 0.0

    @property
    def closing(self) -> str:
        """A text that changes whenever the state becomes closed, whichever worker's call closed it."""
        return self._value("closing", "")

    @property
    def state(self) -> str:
        """The state; setting it resets the counters to 0."""
        return self._value("state", pybreaker.STATE_CLOSED)

    @state.setter
    def state(self, state: str) -> None:
        closing = {"closing": new_closing()} if state == pybreaker.STATE_CLOSED else {}
        self._write({"state": state, "failures": "0", "requests": "", "successes": "0", **closing})

    def count_failure(self, request: str | None) -> None:
        """Count a failure; the same request counts once until a call of any worker succeeds, None always."""
        if request is None:
            self._count("failures")
            return
        counted = self._unless_away(
            lambda: self._redis.eval(_COUNT_REQUEST, 1, self._key, request, str(_MOST_REQUEST_CHARACTERS))
        )
        self._known["failures"] = str(self._counted_here(request) if counted is None else counted)

    def forget_failures(self) -> None:
        """Reset the failures to 0."""
        if self.counter:
            self._write({"failures": "0", "requests": ""})

    def increment_success_counter(self) -> None:
        """Count a successful probe."""
        self._count("successes")

    @property
    def counter(self) -> int:
        """Failures in a row, of all workers."""
        return int(self._value("failures", "0"))

    @property
    def success_counter(self) -> int:
        """Successful probes in a row, of all workers."""
        return int(self._value("successes", "0"))

    @property
    def opened_at(self) -> datetime | None:
        """When the breaker last opened, by this worker's clock; None after the pause."""
        left = self.pause_left_secs()
        return datetime.now(UTC) + timedelta(seconds=left - self._reset_secs) if left else None

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        self._open_until = time.monotonic() + self._reset_secs
        self._unless_away(lambda: self._redis.set(f"{self._key}:pause", "1", px=int(self._reset_secs * 1000)))

    def pause_left_secs(self) -> float:
        """Return the seconds until an open breaker lets a probe through."""
        left_ms = self._unless_away(lambda: self._redis.pttl(f"{self._key}:pause"))
        return max(0.0, self._open_until - time.monotonic() if left_ms is None else left_ms / 1000)

    def take_probe(self) -> bool:
        """Take the right to send the one probe; False if another worker has it."""
        key, expiry_ms = f"{self._key}:probe", int(PROBE_SECS * 1000)
        taken = self._unless_away(lambda: bool(self._redis.set(key, "1", nx=True, px=expiry_ms)))
        return taken is not False  # while Redis is unreachable, two probes are better than none

    def release_probe(self) -> None:
        """Give back the right to send the one probe."""
        self._unless_away(lambda: self._redis.delete(f"{self._key}:probe"))

    def _value(self, name: str, default: str) -> str:
        if time.monotonic() - self._read_at >= CACHE_SECS:
            self._read_at = time.monotonic()
            found: Any = self._unless_away(lambda: self._redis.hgetall(self._key))
            if found is not None:
                self._known = {_text(key): _text(value) for key, value in found.items()}
                self._mend()
        return self._known.get(name, default)

    def _mend(self) -> None:
        """Replace what cannot be read: a broken record must not fail every call of the service."""
        broken = {name: "0" for name in ("failures", "successes") if not self._known.get(name, "0").isdecimal()}
        if self._known.get("state", pybreaker.STATE_CLOSED) not in _STATES:
            broken["state"] = pybreaker.STATE_CLOSED
        if broken:
            logger.error("%s in Redis could not be read: it counts from 0 again", self._key)
            self._write(broken)

    def _count(self, name: str) -> None:
        counted = self._unless_away(lambda: self._redis.hincrby(self._key, name, 1))
        self._known[name] = str(counted if counted is not None else int(self._known.get(name, "0")) + 1)

    def _counted_here(self, request: str) -> int:
        """Return the failures with this one, counted by this process while Redis is unreachable."""
        counted, failures = self._known.get("requests", ""), int(self._known.get("failures", "0"))
        if request in counted:
            return failures
        self._known["requests"] = f"{request} {counted}"[:_MOST_REQUEST_CHARACTERS]
        return failures + 1

    def _write(self, values: dict[str, str]) -> None:
        self._known.update(values)
        self._unless_away(lambda: self._redis.hset(self._key, mapping=cast("dict[Any, Any]", values)))

    def _unless_away(self, command: Callable[[], Any]) -> Any:
        """Return None if Redis is unreachable: the breaker goes on with the last known state."""
        try:
            return command()
        except RedisError:
            return None


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
