"""A test kit for applications that enqueue: what a test sent, and tasks that run in its own process.

With pytest, use the fixtures `sent_tasks` and `inline_tasks`; elsewhere, the context managers `recording` and `inline`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .in_process import InlineTasks, NotInline, inline
    from .recorder import recording
    from .sent import Sent
    from .sent_tasks import NoResult, SentTasks, UnknownTask

__all__ = ["InlineTasks", "NoResult", "NotInline", "Sent", "SentTasks", "UnknownTask", "inline", "recording"]

# Loaded when first used: pytest loads this package with its plugin, in every project that has it installed.
_MODULES = {
    "InlineTasks": ".in_process",
    "NotInline": ".in_process",
    "inline": ".in_process",
    "recording": ".recorder",
    "Sent": ".sent",
    "NoResult": ".sent_tasks",
    "SentTasks": ".sent_tasks",
    "UnknownTask": ".sent_tasks",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
