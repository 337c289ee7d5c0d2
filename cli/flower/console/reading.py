"""What a page reads or changes in Redis: in a thread, with a time limit, and never instead of the server's loop."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from ....delivery.connections.replies import state_of, summary_of
from ....delivery.redaction import safe_text
from ...threads import Busy, Threads

T = TypeVar("T")

LIMIT_SECS = 2.5
_HANGS_SECS = 1.0  # who asks the same after so long waits for the first one's answer, and starts no other thread
_MOST_KEPT = 50
_BUSY = "Too many calls of Redis have no answer yet. Look again in half a minute."


class NoAnswer(Exception):
    """Redis did not do what was asked, or not in time; the text says which, and what that means."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What was read, and when; with a `problem`, what was read before it, if anything was."""

    value: T | None
    read_at: datetime | None
    problem: str = ""


class Reader:
    """Reads, and keeps what it has read last under each name."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._running: dict[str, tuple[Future[Any], float]] = {}
        self._kept: OrderedDict[str, tuple[Any, datetime]] = OrderedDict()

    async def read(self, name: str, function: Callable[[], T]) -> Reading[T]:
        """What the function returns, or what it returned last under this name.

        Raises: what the function raises, if that is no matter of Redis.
        """
        try:
            running = self._started(name, function)
            value = await _result(running)
        except (NoAnswer, Busy) as error:
            value, read_at = self._kept.get(name, (None, None))
            return Reading(value, read_at, _BUSY if isinstance(error, Busy) else str(error))
        self._keep(name, value)
        return Reading(value, self._kept[name][1])

    async def call(self, function: Callable[[], T]) -> T:
        """Do something.

        Raises: NoAnswer; what the function raises, if that is no matter of Redis.
        """
        try:
            return await _result(self._threads.start(function))
        except Busy:
            raise NoAnswer(_BUSY) from None

    def _started(self, name: str, function: Callable[[], T]) -> "Future[T]":
        self._running = {known: one for known, one in self._running.items() if not one[0].done()}
        running, began = self._running.get(name, (None, 0.0))
        if running is None or time.monotonic() - began < _HANGS_SECS:
            running = self._threads.start(function)
            self._running[name] = running, time.monotonic()
        return running

    def _keep(self, name: str, value: Any) -> None:
        self._kept[name] = value, datetime.now(UTC)
        self._kept.move_to_end(name)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


async def ended(running: "Future[Any]", secs: float) -> bool:
    """Wait so long; whether the result is there."""
    waiter = asyncio.wrap_future(running)
    waiter.add_done_callback(_looked_at)
    await asyncio.wait({waiter}, timeout=secs)
    return running.done()


def problem_of(error: BaseException) -> str | None:
    """What to say of an error of Redis; None of any other."""
    return None if state_of(error) is None else f"Redis does not serve this ({summary_of(error)})."


def why_it_broke_off(error: Exception) -> str:
    """What a page says of an error that ended work in a thread, whatever it is; without content."""
    return problem_of(error) or f"It broke off: {safe_text(error)}"


async def _result(running: "Future[T]") -> T:
    if not await ended(running, LIMIT_SECS):
        raise NoAnswer(f"Redis has not answered within {LIMIT_SECS:g} seconds.")
    error = running.exception()
    problem = problem_of(error) if error else None
    if problem:
        raise NoAnswer(problem) from error
    return running.result()


def _looked_at(waiter: "asyncio.Future[Any]") -> None:
    """Take the error, if there is one: asyncio logs an error that nobody takes."""
    if not waiter.cancelled():
        waiter.exception()
