"""Sending from asyncio: threads send and look for results, so that the event loop never waits for the broker."""

import asyncio
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import Any, Generic, TypeVar

from celery import states
from celery.result import AsyncResult, EagerResult

R = TypeVar("R")
T = TypeVar("T")

THREADS = 10  # as many as the app has connections for sending
_FIRST_PAUSE_SECS, _LONGEST_PAUSE_SECS = 0.02, 0.5
_ONE_LOOK_SECS = 0.5  # even with a timeout of 0, a result that is there is found


class AwaitableResult(Generic[R]):
    """A task that was sent from a coroutine: its `id`, and its result to await."""

    def __init__(self, task: Any, task_id: str, done: "EagerResult[R] | None" = None) -> None:
        self.id = task_id
        self._task, self._done = task, done

    async def aget(self, timeout: float | None = None) -> R:
        """Return the task's result, or raise its error; looks for it a few times a second at most.

        Raises: TimeoutError after `timeout` seconds. The task goes on.
        """
        found: tuple[R, ...] = ()
        limit = asyncio.timeout(None if timeout is None else max(timeout, _ONE_LOOK_SECS))
        try:
            async with limit:  # a broker that hangs keeps a thread for longer
                found = await self._found(math.inf if timeout is None else time.monotonic() + timeout)
        except TimeoutError:
            if not limit.expired():
                raise  # the task's own
        if not found:
            raise TimeoutError(f"{self._task.name} ({self.id}) has no result after {timeout:g} s.")
        return found[0]

    async def _found(self, end: float) -> tuple[R, ...]:
        """Look until there is a result; return nothing if there is none when the next look would be too late."""
        pause_secs = _FIRST_PAUSE_SECS
        while not (found := await in_thread(self._look)) and time.monotonic() + pause_secs <= end:
            await asyncio.sleep(pause_secs)
            pause_secs = min(pause_secs * 1.5, _LONGEST_PAUSE_SECS)
        return found

    def _look(self) -> tuple[R, ...]:
        """Return the result alone in a tuple, or nothing."""
        if self._task.ignore_result:
            return (None,)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
        if self._done is not None:
            return (self._done.get(),)
        backend = self._task.app.backend
        # A store that cannot tell of a result when it comes has it now, or says by `get` that it never will.
        if backend.is_async and backend.get_task_meta(self.id)["status"] not in states.READY_STATES:
            return ()
        result: Any = AsyncResult(self.id, app=self._task.app)
        result.ready()  # reads it, so that `get` does not subscribe to it first
        return (result.get(),)


async def send(task: Any, args: Any, kwargs: Any) -> "AwaitableResult[Any]":
    """Send a task as `apply_async` does, from a thread."""
    return await in_thread(partial(_send, task, args, kwargs))


async def in_thread(work: Callable[[], T]) -> T:
    """Do some work in a thread, in a copy of this context."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), copy_context().run, work)


def _send(task: Any, args: Any, kwargs: Any) -> "AwaitableResult[Any]":
    # The result itself stays here: at its end it writes to Redis, which the loop must not.
    result = task.apply_async(args, kwargs)
    return AwaitableResult(task, str(result.id), result if isinstance(result, EagerResult) else None)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "asend")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked child has the pool, but none of its threads
