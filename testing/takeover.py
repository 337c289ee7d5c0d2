"""Recording and running inline exclude each other: each says what happens to every task of the process."""

from collections.abc import Generator
from contextlib import contextmanager

from ..tasks.app import app

REPORTS_SECS = 10.0  # for usage reporters to send what they hold, before a test looks or ends


class _Taken:
    by = ""


@contextmanager
def takeover(what: str, *, eager: bool) -> Generator[None]:
    """Let one block say what happens to tasks; Celery's `task_always_eager` is as it says within.

    Raises: RuntimeError if another block does already.
    """
    if _Taken.by:
        raise RuntimeError(f"{_Taken.by} already: a test takes either `sent_tasks` or `inline_tasks`, and once.")
    before = app.conf.task_always_eager
    _Taken.by, app.conf.task_always_eager = what, eager
    try:
        yield
    finally:
        _Taken.by, app.conf.task_always_eager = "", before
