"""Calls that one task makes at the same time, in threads that all tasks of a process share.

Each call runs in a copy of the task's context, so that its log lines name the task.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from .connections import calls_side_by_side

T = TypeVar("T")
R = TypeVar("R")


def results(
    work: Callable[[T], R],
    items: Iterable[T],
    is_short: Callable[[T], bool] = lambda item: False,
    ahead: int | None = None,
) -> Generator[R, None, None]:
    """Yield the result of each item, in the items' order.

    Items are read as results are taken, at most one for each thread ahead, or as many as `ahead` says. What an item
    raises is raised in its place.
    One whose work `is_short`, because it calls no service, is worked on here: a thread would cost more.
    """
    pool, most = _pool(), _most() if ahead is None else ahead
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            begun.append(_done(work, item) if is_short(item) else pool.submit(copy_context().run, work, item))
            if len(begun) > most:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for left in begun:
            left.cancel()


def _done(work: Callable[[T], R], item: T) -> Future[R]:
    done = Future[R]()
    try:
        done.set_result(work(item))
    except Exception as error:  # noqa: BLE001  raised in the item's place
        done.set_exception(error)
    return done


def each(work: Callable[[T], object], items: Iterable[T]) -> None:
    """Do the work on each item, in any order; what an item raises is raised when all are done.

    For many short calls whose result nobody needs: a quarter of the processor time of `results` for each item.
    """
    left = deque(items)

    def until_none_is_left() -> None:
        while left:
            try:
                item = left.popleft()
            except IndexError:  # another thread took the last one
                return
            work(item)

    started = [_pool().submit(copy_context().run, until_none_is_left) for _ in range(min(_most(), len(left)))]
    try:
        errors = [one.exception() for one in started]
    finally:
        left.clear()  # a time limit ends the task: no further item may begin
    for error in errors:
        if error is not None:
            raise error


def _most() -> int:
    return calls_side_by_side()


def _pool() -> ThreadPoolExecutor:
    return _threads(_most())


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "side-by-side")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked child has the pool, but none of its threads
