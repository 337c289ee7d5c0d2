"""Which sweep a task belongs to, told from its call."""

from typing import Any

from ..delivery.messages.envelope import is_name
from .app import ARCHIVAL

_BEGINS = f"{ARCHIVAL}.sweep"


def sweep_id_of(task_name: str, task_id: str, kwargs: Any) -> str | None:
    """Return the id of the sweep that a task begins, or is a step of; None for any other task.

    A task that begins a sweep gives it its own id.
    """
    if task_name == _BEGINS:
        return task_id
    found = kwargs.get("sweep_id") if isinstance(kwargs, dict) else None
    return found if is_name(found) else None
