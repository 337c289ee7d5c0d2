"""What a worker's parent says in its log of the task that it received last: Celery's line of it has less."""

from collections.abc import Mapping

_LAST: dict[str, str] = {}


def note_received(facts: Mapping[str, str]) -> None:
    """Remember the facts of a task until the next one is received."""
    _LAST.clear()
    _LAST.update(facts)


def facts_of(task_id: str) -> Mapping[str, str]:
    """Return the facts of the task if it is the one that was received last."""
    return _LAST if _LAST.get("task_id") == task_id else {}
