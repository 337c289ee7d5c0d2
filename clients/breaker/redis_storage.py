"""The state of a breaker that all workers share."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, cast

import pybreaker
from redis import Redis
from redis.exceptions import RedisError

from .rule import FAIL_MAX, WINDOW_SECS, Calls, Window, opens, succeeded_per_sec
from .storage import DIGEST_BYTES, RESET_SECS, Storage, new_closing

logger = logging.getLogger(__name__)

# A probe that has neither succeeded nor failed after this time was killed; the next one may start.
PROBE_SECS = 90.0
CACHE_SECS = 0.2
_KEY = "memory_graph:breaker"
_STATES = (pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN)
_COUNT = files(__package__ or "").joinpath("scripts", "count.lua").read_text("utf-8")
_MOST_REQUEST_CHARACTERS = FAIL_MAX * (2 * DIGEST_BYTES + 1)


def names_of(service: str) -> list[str]:
    """The keys of a service's breaker that outlive a call, without prefix."""
    return [f"{_KEY}:{service}", f"{_KEY}:{service}:pause"]


class RedisStorage(Storage):
    """The state of a breaker in Redis, shared by all workers.

    It is read at most every 0.2 s. Successes are added up in this process and sent together at most every 0.2 s, or at
    once if there are failures to reset. The pause is an expiring key and calls are counted by the second, both by the
    clock of Redis and not the worker's. While Redis is unreachable, the last known state holds, and the row of
    failures alone opens it.
    """

    def __init__(self, redis: "Redis", service: str, reset_secs: float = RESET_SECS, key_prefix: str = "") -> None:
        super().__init__("redis")
        self._redis = redis
        self._key = f"{key_prefix}{_KEY}:{service}"
        self._calls_key = f"{self._key}:calls"
        self._count = redis.register_script(_COUNT)
        self._lock = threading.Lock()
        self._succeeded, self._sent_at = 0, -CACHE_SECS
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
        self._unless_away(lambda: self._redis.delete(self._calls_key))

    def count_failure(self, request: str | None) -> bool:
        """Count a failed call, and return whether it opens the breaker, judged by the calls of all workers."""
        found = self._send(1, request or "")
        if found is None:
            self._known["failures"] = str(self._counted_here(request))
            return opens(int(self._known["failures"]), [])
        in_a_row, latest = found
        return opens(in_a_row, latest)

    def count_success(self) -> None:
        """Count a call that succeeded; it ends the row of failures of all workers."""
        with self._lock:
            self._succeeded += 1
        ends_row = self._known.get("failures", "0") != "0"
        if ends_row or time.monotonic() - self._sent_at >= CACHE_SECS:
            self._known.update(failures="0", requests="")
            self._send()

    def calls_per_sec(self) -> float | None:
        """How many calls a second of all workers succeeded in the last seconds; None while Redis is unreachable."""
        if self._unless_away(lambda: self._redis.exists(self._calls_key)) == 0:
            return 0.0  # of an idle service nobody asks more
        found = self._exchange(0, 0, "")
        return succeeded_per_sec(found[1]) if found else None

    def increment_success_counter(self) -> None:
        """Count a successful probe."""
        counted = self._unless_away(lambda: self._redis.hincrby(self._key, "successes", 1))
        self._known["successes"] = str(self.success_counter + 1 if counted is None else counted)

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

    def _send(self, failed: int = 0, request: str = "") -> tuple[int, list[Calls]] | None:
        """Count what succeeded here since the last time, and perhaps a failure."""
        with self._lock:
            succeeded, self._succeeded, self._sent_at = self._succeeded, 0, time.monotonic()
        return self._exchange(succeeded, failed, request)

    def _exchange(self, succeeded: int, failed: int, request: str) -> tuple[int, list[Calls]] | None:
        """Count calls of all workers; None if Redis is unreachable.

        Returns the failures in a row, and the calls of each second, the present one first.
        """
        arguments = [succeeded, failed, request, _MOST_REQUEST_CHARACTERS, WINDOW_SECS]
        found = self._unless_away(lambda: self._count(keys=[self._key, self._calls_key], args=arguments))
        if found is None:
            return None
        in_a_row, now, kept = found
        self._known["failures"] = str(in_a_row)
        return in_a_row, Window(_seconds(kept)).latest(now)

    def _counted_here(self, request: str | None) -> int:
        """Return the failures with this one, counted by this process while Redis is unreachable."""
        counted, failures = self._known.get("requests", ""), int(self._known.get("failures", "0"))
        if request is not None and request in counted:
            return failures
        if request is not None:
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


def _seconds(kept: list[bytes]) -> dict[int, Calls]:
    """The calls of each second as the script keeps them; what somebody else wrote there is passed over."""
    rows = [_text(row).split() for row in kept]
    return {int(row[0]): (int(row[1]), int(row[2])) for row in rows if len(row) == 3 and all(map(str.isdecimal, row))}
