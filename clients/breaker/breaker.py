"""A call through the breaker: who may call, what counts as a failure, and who sends the probe."""

import threading
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar

import pybreaker

from ..errors import CircuitBreakerOpen
from ..failures import is_suspect, shows_service_is_up
from .memory_storage import MemoryStorage
from .rule import FAIL_MAX
from .storage import DIGEST_BYTES, RESET_SECS, Storage

T = TypeVar("T")

SUCCESS_THRESHOLD = 2


class Breaker:
    """The circuit breaker of one service; thread-safe, and it does not serialise the calls of threads."""

    def __init__(self, service: str, storage: Storage | None = None, reset_secs: float = RESET_SECS) -> None:
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
        check that succeeds does not count as a success, because a service may fail at all else.
        Raises: CircuitBreakerOpen, with the seconds until the next probe.
        """

        def watched() -> T:
            try:
                return guarded()
            except Exception as error:
                suspect = request is not None and is_suspect(error)
                self._storage.current.request = _digest(operation, request()) if request and suspect else None
                raise

        self._storage.current.request, self._storage.current.counts = None, not is_health_check
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
                fail_max=1,  # of what the storage's `counter` says
                reset_timeout=self._reset_secs,
                success_threshold=SUCCESS_THRESHOLD,
                exclude=[shows_service_is_up],
                listeners=[_CountedSuccesses(self._storage), _OneProbe(self._storage)],
                state_storage=self._storage,
                throw_new_error_on_trip=False,
            )
        return breaker


class _CountedSuccesses(pybreaker.CircuitBreakerListener):
    """Counts the calls that succeed; those that fail are counted by the storage's `increment_counter`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        if self._storage.current.counts:
            self._storage.count_success()


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


def _digest(operation: str | None, request: bytes) -> str:
    return blake2b(b"%b\0%b" % ((operation or "").encode(), request), digest_size=DIGEST_BYTES).hexdigest()
