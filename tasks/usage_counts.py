"""How many usage reports were accepted by the Registry, and how many failed for good, counted in Redis for metrics."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from celery import signals, states
from redis.exceptions import RedisError

from ..delivery.counts import count_in_hash, number_of
from . import connections
from .app import PREFIX
from .base import broker

ONE = f"{PREFIX}.registry.track_usage"
ACCEPTED, FAILED = "accepted", "failed"
KEY = f"{broker.prefix}memory_graph:usage"  # a hash
_OUTCOMES = {states.SUCCESS: ACCEPTED, states.FAILURE: FAILED}


def count(outcome: str, reports: int) -> None:
    """Add reports to a count, about: a worker may be killed before, and while Redis is away nothing is counted."""
    if reports:
        with suppress(RedisError):
            count_in_hash(connections.redis(), KEY, outcome, reports)


def ask_counts(pipe: Any) -> None:
    """Add to a pipeline what `read_counts` understands the reply of."""
    pipe.hmget(KEY, [ACCEPTED, FAILED])


def read_counts(replies: Sequence[Any]) -> dict[str, int]:
    """Return each count."""
    accepted, failed = replies[0]
    return {ACCEPTED: number_of(accepted), FAILED: number_of(failed)}


@signals.task_postrun.connect
def count_single(task: Any = None, state: str | None = None, **kwargs: Any) -> None:
    """Count a report that is a task of its own."""
    if task is not None and task.name == ONE and state in _OUTCOMES:
        count(_OUTCOMES[state], 1)
