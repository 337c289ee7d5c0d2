"""Checks at a worker's start: a setup that would lose tasks is refused, and the message says how to fix it."""

import logging
import sys
from collections.abc import Iterator
from typing import Any

from .base import KeptTask
from .celery_settings import KEPT
from .connections.replies import AWAY
from .errors import unopened_compression
from .held_queues.breakers import breaker_of
from .messages.message import is_opened
from .redaction import name_of
from .settings import Installed, installed_or_none

logger = logging.getLogger(__name__)

_POOLS_THAT_LOSE = ("gevent", "eventlet")


def refuse_pool(instance: Any = None, options: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Stop a worker before it starts whose pool loses tasks."""
    if installed_or_none(getattr(instance, "app", None)) is None:
        return
    pool = str((options or {}).get("pool") or conf.worker_pool)  # a name, or the class that Celery made of it
    found = next((name for name in _POOLS_THAT_LOSE if name in pool), None)
    if found:
        sys.exit(f"The {found} pool is refused: it loses tasks when a worker stops. Start with --pool prefork.")


def refuse_setup(sender: Any = None, **kwargs: Any) -> None:
    """Stop a worker before it starts whose app would lose tasks, and say all that is wrong. Its tasks are known now."""
    app = getattr(sender, "app", None)
    found = installed_or_none(app)
    if app is None or found is None:
        return
    for warning in _lost_tasks(app):
        logger.warning("%s", warning)
    mistakes = [*_changed(app.conf), *_compressions(found, app), *_queues(found, app.conf), *_breakers(found)]
    if mistakes:
        sys.exit("\n".join(mistakes))


def _changed(conf: Any) -> Iterator[str]:
    for name, value in KEPT.items():
        if conf.get(name) != value:
            yield (
                f"{name} is {conf.get(name)!r}, and delivery needs {value!r}: tasks would be lost. Do not set it, and "
                "call install after everything else that configures the app."
            )


def _compressions(found: Installed, app: Any) -> Iterator[str]:
    given = {
        f"The compression of the task {name}": getattr(task, "compression", None) for name, task in app.tasks.items()
    }
    for where, compression in {"task_compression": app.conf.task_compression, **given}.items():
        if not is_opened(compression):
            yield unopened_compression(where, compression)


def _lost_tasks(app: Any) -> Iterator[str]:
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    foreign = [name for name, task in ours.items() if not isinstance(task, KeptTask)]
    early = [name for name, task in ours.items() if isinstance(task, KeptTask) and not task.acks_late]
    if foreign:
        yield f"Failures of {', '.join(sorted(foreign))} would not be kept: base these tasks on delivery.KeptTask."
    if early:
        yield f"{', '.join(sorted(early))} would be lost with their worker: leave acks_late at True."


def _queues(found: Installed, conf: Any) -> Iterator[str]:
    known = {getattr(queue, "name", queue) for queue in conf.task_queues or ()}  # a list of queues, or names to options
    for queue in found.needs:
        if known and queue not in known:
            yield f"The queue {queue} of `needs` is not among task_queues: it would never be held. Is it misspelt?"


def _breakers(found: Installed) -> Iterator[str]:
    for service in sorted({service for services in found.needs.values() for service in services}):
        try:
            known = "state" in dir(breaker_of(found)(service))
        except AWAY:  # the breakers' Redis; the worker waits for it
            continue
        except Exception as error:  # noqa: BLE001  the application's own function
            yield (
                f"There is no breaker for {service} ({name_of(error)}): its queues could not be held. Fix the "
                "function that install was given as breaker."
            )
            continue
        if not known:
            yield (
                f"The breaker of {service} has no `state`, so nobody would know when its queues must be held: return "
                "an object that has one, such as pybreaker's CircuitRedisStorage."
            )
