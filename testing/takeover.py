"""Recording and running inline exclude each other: each says what happens to every task of the process."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from kombu import Connection, pools

from ..tasks.app import app

REPORTS_SECS = 10.0  # for usage reporters to send what they hold, before a test looks or ends


class _Taken:
    by = ""


@contextmanager
def takeover(what: str, *, eager: bool, transport: type[Any], results: Any) -> Generator[None]:
    """Let one block say what happens to tasks: where messages go, and who has the results.

    Celery's `task_always_eager` is as `eager` says within. Raises: RuntimeError if another block does so already.
    """
    if _Taken.by:
        raise RuntimeError(f"{_Taken.by} already: a test takes either `sent_tasks` or `inline_tasks`, and once.")
    here = cast(Any, app)
    before = here.amqp._producer_pool, here._backend_cache
    was_eager = app.conf.task_always_eager
    here.amqp._producer_pool = pools.producers[Connection(transport=transport)]
    here._backend_cache = results
    _Taken.by, app.conf.task_always_eager = what, eager
    try:
        yield
    finally:
        _Taken.by, app.conf.task_always_eager = "", was_eager
        here.amqp._producer_pool, here._backend_cache = before
