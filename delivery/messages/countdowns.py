"""Which countdowns wait in Redis and not in a worker, and whether one is over.

A message whose time is far away stays in-flight without a lease: it is stamped so that whoever restores abandoned
messages puts it back on its queue when its time is near. So no worker holds thousands of them in its memory, has to
renew their leases, or must hand them back before it can stop.
"""

from datetime import UTC, datetime
from typing import Any, cast

from celery.utils.time import maybe_iso8601, maybe_make_aware

LONGEST_IN_WORKER_SECS = 60.0
MOST_IN_WORKER = 1000


def secs_left(headers: Any, timezone: Any = UTC) -> float:
    """Seconds until a task may run, by the headers of its message; 0 if they name no time that is still to come."""
    found: Any = cast("dict[str, Any]", headers).get("eta") if isinstance(headers, dict) else None
    try:
        eta: Any = maybe_make_aware(cast(Any, maybe_iso8601(found)), timezone) if found else None
        return max(0.0, (eta - datetime.now(UTC)).total_seconds()) if eta else 0.0
    except (ValueError, TypeError, AttributeError, OverflowError):
        return 0.0


def secs_in_redis(left_secs: float, in_worker: int) -> float:
    """How long a message waits in Redis before a worker takes it; 0 if it waits in a worker that has `in_worker`."""
    if in_worker > MOST_IN_WORKER:
        return left_secs
    return max(0.0, left_secs - LONGEST_IN_WORKER_SECS)
