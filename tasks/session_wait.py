"""Messages that come before their session (usage, status, reopen): the contract's 404 means "not yet" for a while."""

import time
from collections.abc import Mapping
from typing import Any

from ..clients.errors import NotFound
from ..delivery.base import RETRY_WHILE_HELD_SECS
from .base import limits

WAITS_SINCE = "waits_since"  # a header that retries keep: when the first 404 came, in seconds since 1970
_LONGEST_PAUSE_SECS = 30.0


def wait_for_session(task: Any, error: NotFound) -> None:
    """Send the task again later; a wait spends none of its attempts. After USAGE_WAITS_FOR_SESSION_SECS it fails.

    Raises: celery's Retry; NotFound, which says how long it waited.
    """
    if task.request.is_eager:
        raise error  # it runs where it was sent (task_always_eager): nobody can register the session meanwhile
    began = _began(task)
    waited_secs = max(0.0, time.time() - began)
    left_secs = limits.usage_waits_for_session_secs - waited_secs
    if left_secs <= 0:
        waited = f"{error.message}; its session was not registered within {waited_secs:.0f} s"
        raise NotFound(waited, *error.args[1:]) from error
    headers = {**(task.request.headers or {}), WAITS_SINCE: began}
    task.request.retries -= 1
    raise task.retry(exc=error, countdown=min(pause_secs(waited_secs), left_secs), headers=headers)


def waiting_headers() -> dict[str, float]:
    """Return the header of a report that just got its first 404."""
    return {WAITS_SINCE: round(time.time(), 3)}


def without_wait(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers without the start of a wait."""
    return {name: value for name, value in headers.items() if name != WAITS_SINCE}


def pause_secs(waited_secs: float) -> float:
    """Return the pause before the next try: as long as the wait so far, from 2 to 30 s."""
    return min(max(RETRY_WHILE_HELD_SECS, waited_secs), _LONGEST_PAUSE_SECS)


def _began(task: Any) -> float:
    known = (task.request.headers or {}).get(WAITS_SINCE)
    return known if isinstance(known, int | float) else waiting_headers()[WAITS_SINCE]
