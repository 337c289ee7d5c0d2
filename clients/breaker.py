"""The circuit breaker of a service: it opens after 5 failures in a row and lets a probe through after 60 s.

A lost connection and a timeout always count. A request that gets a 5xx counts once, however often it is repeated: it
may be the only one that fails. pybreaker decides. Added here: that rule, a state that workers share in Redis, one probe
at a time while half-open, and one breaker object for each thread, because pybreaker holds a lock while the guarded call
runs.
"""

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeVar, cast

import pybreaker
from redis import Redis
from redis.exceptions import RedisError

from .errors import CircuitBreakerOpen
from .failures import is_suspect, shows_service_is_up

T = TypeVar("T")

logger = logging.getLogger(__name__)

FAIL_MAX = 5
RESET_SECS = 60.0
SUCCESS_THRESHOLD = 2
# A probe that has neither succeeded nor failed after this time was killed; the next one may start.
PROBE_SECS = 90.0
CACHE_SECS = 0.2
KEY_PREFIX = "memory_graph:breaker"
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
_DIGEST_BYTES = 8
_MOST_REQUEST_CHARACTERS = FAIL_MAX * (2 * _DIGEST_BYTES + 1)


class Breaker:
    """The circuit breaker of one service; thread-safe, and it does not serialise the calls of threads."""

    def __init__(self, service: str, storage: "Storage | None" = None, reset_secs: float = RESET_SECS) -> None:
        self.service = service
        self._storage = storage or MemoryStorage(reset_secs)
        self._reset_secs = reset_secs
        self._local = threading.local()

    def call(
        self,
        guarded: Callable[[], T],
        operation: str | None = None,
        request: Callable[[], bytes] | None = None,
        *,
        is_health_check: bool = False,
    ) -> T:
        """Call the service unless the breaker is open; the error then names `operation`.

        `request` says which request it is, and is asked only if the call fails: its repeats then count once. A health
        check that succeeds does not end a row of failures, because a service may fail at all else.
        Raises: CircuitBreakerOpen, with the seconds until the next probe.
        """

        def watched() -> T:
            try:
                return guarded()
            except Exception as error:
                suspect = request is not None and is_suspect(error)
                self._storage.current.request = _digest(operation, request()) if request and suspect else None
                raise

        self._storage.current.request, self._storage.current.ends_row = None, not is_health_check
        try:
            return self._of_this_thread().call(watched)
        except pybreaker.CircuitBreakerError as error:
            wait_secs = self._storage.pause_left_secs() or 1.0
            raise CircuitBreakerOpen(
                f"the service failed {FAIL_MAX} times in a row; next try in {wait_secs:.0f} s",
                self.service,
                operation,
                retry_after_secs=wait_secs,
            ) from error

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        return self._storage.state

    @property
    def closing(self) -> str:
        """A text that changes whenever the breaker closes."""
        return self._storage.closing

    def _of_this_thread(self) -> pybreaker.CircuitBreaker:
        breaker = getattr(self._local, "breaker", None)
        if breaker is None:
            breaker = self._local.breaker = pybreaker.CircuitBreaker(
                fail_max=FAIL_MAX,
                reset_timeout=self._reset_secs,
                success_threshold=SUCCESS_THRESHOLD,
                exclude=[shows_service_is_up],
                listeners=[_OneProbe(self._storage)],
                state_storage=self._storage,
                throw_new_error_on_trip=False,
            )
        return breaker


class _Current(threading.local):
    """The call of this thread: the digest of its request if that counts once, and if its success ends a row."""

    request: str | None = None
    ends_row: bool = True


class Storage(pybreaker.CircuitBreakerStorage):
    """The storage that pybreaker needs, and a gate for probes. Setting the state resets the counters to 0."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.current = _Current()

    def increment_counter(self) -> None:
        """Count the failure of this thread's call, unless its request was counted since the last success."""
        self.count_failure(self.current.request)

    def reset_counter(self) -> None:
        """End the row of failures: a call succeeded."""
        if self.current.ends_row:
            self.forget_failures()

    @abstractmethod
    def count_failure(self, request: str | None) -> None:
        """Count a failure; the same request counts once until a call succeeds, None always."""

    @abstractmethod
    def forget_failures(self) -> None:
        """Reset the failures to 0."""

    def reset_success_counter(self) -> None:
        """Do nothing: setting the state resets it, and pybreaker calls this in each thread that sees a new state."""

    @property
    @abstractmethod
    def closing(self) -> str:
        """A text that changes whenever the state becomes closed."""

    @abstractmethod
    def pause_left_secs(self) -> float:
        """Return the seconds until an open breaker lets a probe through."""

    @abstractmethod
    def take_probe(self) -> bool:
        """Take the right to send the one probe; False if it is taken."""

    @abstractmethod
    def release_probe(self) -> None:
        """Give back the right to send the one probe."""


class _OneProbe(pybreaker.CircuitBreakerListener):
    """Lets one call at a time through a half-open breaker; one object for each thread, like the breaker."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._probing = False

    def before_call(self, cb: pybreaker.CircuitBreaker, func: Any, *args: Any, **kwargs: Any) -> None:
        if cb.current_state == pybreaker.STATE_HALF_OPEN:
            if not self._storage.take_probe():
                raise pybreaker.CircuitBreakerError("a probe is in flight")
            self._probing = True

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        self._release()

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        self._release()

    def _release(self) -> None:
        if self._probing:
            self._probing = False
            self._storage.release_probe()


class MemoryStorage(Storage):
    """The state of a breaker in this process, shared by its threads."""

    def __init__(self, reset_secs: float = RESET_SECS) -> None:
        super().__init__("memory")
        self._lock = threading.Lock()
        self._probe = threading.Lock()
        self._reset_secs = reset_secs
        self._state = pybreaker.STATE_CLOSED
        self._failures = self._successes = 0
        self._requests = set[str]()
        self._opened_at: datetime | None = None
        self._closing = ""

    @property
    def closing(self) -> str:
        """A text that changes whenever the state becomes closed."""
        return self._closing

    @property
    def state(self) -> str:
        """The state; setting it resets the counters to 0."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        with self._lock:
            self._state, self._failures, self._successes = state, 0, 0
            self._requests.clear()
            if state == pybreaker.STATE_CLOSED:
                self._closing = _new_closing()

    def count_failure(self, request: str | None) -> None:
        """Count a failure; the same request counts once until a call succeeds, None always."""
        with self._lock:
            if request not in self._requests:
                self._failures += 1
            if request is not None and len(self._requests) < FAIL_MAX:
                self._requests.add(request)

    def forget_failures(self) -> None:
        """Reset the failures to 0."""
        if self._failures:
            with self._lock:
                self._failures = 0
                self._requests.clear()

    def increment_success_counter(self) -> None:
        """Count a successful probe."""
        with self._lock:
            self._successes += 1

    @property
    def counter(self) -> int:
        """Failures in a row."""
        return self._failures

    @property
    def success_counter(self) -> int:
        """Successful probes in a row."""
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        """When the breaker last opened."""
        return self._opened_at

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        self._opened_at = datetime

    def pause_left_secs(self) -> float:
        """Return the seconds until an open breaker lets a probe through."""
        opened = self._opened_at
        return max(0.0, (opened - datetime.now(UTC)).total_seconds() + self._reset_secs) if opened else 0.0

    def take_probe(self) -> bool:
        """Take the right to send the one probe; False if another thread has it."""
        return self._probe.acquire(blocking=False)

    def release_probe(self) -> None:
        """Give back the right to send the one probe."""
        self._probe.release()


class RedisStorage(Storage):
    """The state of a breaker in Redis, shared by all workers.

    It is read at most every 0.2 s, and a success writes only if there are failures to reset. The pause is an expiring
    key, so the clock of Redis decides and not the worker's. While Redis is unreachable, the last known state holds.
    """

    def __init__(self, redis: "Redis", service: str, reset_secs: float = RESET_SECS) -> None:
        super().__init__("redis")
        self._redis = redis
        self._key = f"{KEY_PREFIX}:{service}"
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
        closing = {"closing": _new_closing()} if state == pybreaker.STATE_CLOSED else {}
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


def _new_closing() -> str:
    return str(time.time_ns())


def _digest(operation: str | None, request: bytes) -> str:
    return blake2b(b"%b\0%b" % ((operation or "").encode(), request), digest_size=_DIGEST_BYTES).hexdigest()


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
