"""Work in threads of its own, which may hang: it keeps nobody waiting, and no process from ending."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Busy(Exception):
    """As many threads as there may be are at work."""


class Threads:
    """Runs functions side by side, at most so many."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    def start(self, function: Callable[[], T]) -> "Future[T]":
        """The result to come.

        Raises: Busy.
        """
        if not self._free.acquire(blocking=False):
            raise Busy
        return _started(function, self._free.release)


class Shared(Generic[T]):
    """Runs a function in a thread of its own; whoever asks while it runs gets the same result.

    So the function may hang, and costs no more than one thread then.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function, self._lock = function, threading.Lock()
        self._running: Future[T] | None = None

    def start(self) -> "Future[T]":
        """The result to come, of a run that is under way or begins now."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = _started(self._function)
            return self._running


def _started(function: Callable[[], T], then: Callable[[], object] = lambda: None) -> "Future[T]":
    running = Future[T]()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  whoever waits is told
            then()
            running.set_exception(error)
        else:
            then()
            running.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return running
