"""The start of a worker: what would lose tasks is refused, and it waits longer for its broker than a producer does."""

import logging
import sys
from collections.abc import Iterator
from typing import Any

from celery import signals
from kombu.utils.imports import symbol_by_name

from .away import AWAY
from .base import KeptTask
from .errors import InvalidConfig
from .installation import BreakerOf, Installed, installed_or_none
from .redaction import name_of

logger = logging.getLogger(__name__)

# A producer is told within seconds that the broker is away; a worker's retry waits for it (`KeptTask.retry`).
BRIEF = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
BRIEF_RESULTS = {"retry_policy": {"max_retries": 1, "interval_start": 0}}
SHORT_SECS, LONG_SECS = 3, 30  # for one response of a broker that took the connection
_POOLS_THAT_LOSE = ("gevent", "eventlet")

# A task is acknowledged when it is done, and comes back when its worker is gone.
KEPT: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_acks_on_failure_or_timeout": True,
    "worker_consumer": f"{__package__}.consumer:Consumer",
    "worker_prefetch_multiplier": 1,
    "worker_enable_prefetch_count_reduction": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_soft_shutdown_timeout": 0,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
}
PUBLISHED: dict[str, Any] = {
    "task_publish_retry": True,
    "task_publish_retry_policy": BRIEF,
    "redis_socket_connect_timeout": SHORT_SECS,
    "redis_socket_timeout": SHORT_SECS,
}


@signals.celeryd_init.connect
def refuse_pool(instance: Any = None, options: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Stop a worker before it starts whose pool loses tasks."""
    if installed_or_none(getattr(instance, "app", None)) is None:
        return
    pool = str((options or {}).get("pool") or conf.worker_pool)  # a name, or the class that Celery made of it
    found = next((name for name in _POOLS_THAT_LOSE if name in pool), None)
    if found:
        sys.exit(f"The {found} pool is refused: it loses tasks when a worker stops. Start with --pool prefork.")


@signals.worker_init.connect
def refuse_setup(sender: Any = None, **kwargs: Any) -> None:
    """Stop a worker before it starts whose app would lose tasks, and say all that is wrong. Its tasks are known now."""
    app = getattr(sender, "app", None)
    found = installed_or_none(app)
    if app is None or found is None:
        return
    for warning in _lost_tasks(app):
        logger.warning("%s", warning)
    mistakes = [*_changed(app.conf), *_queues(found, app.conf), *_breakers(found)]
    if mistakes:
        sys.exit("\n".join(mistakes))


@signals.celeryd_init.connect
def wait_longer(instance: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Let a worker wait longer than a producer: it has nobody to tell that broker and results are slow or away."""
    if installed_or_none(getattr(instance, "app", None)) is None:
        return
    results = {
        name: value for name, value in conf.result_backend_transport_options.items() if name not in BRIEF_RESULTS
    }
    conf.broker_transport_options = {**conf.broker_transport_options, "socket_timeout": LONG_SECS}
    conf.redis_socket_timeout = LONG_SECS
    conf.result_backend_transport_options = {name: results[name] for name in results if name not in BRIEF_RESULTS}


def breaker_of(found: Installed) -> BreakerOf:
    """The function that returns a service's circuit breaker.

    Raises: InvalidConfig where its module does not have it.
    """
    if not isinstance(found.breaker, str):
        return found.breaker or _no_breaker
    try:
        return symbol_by_name(found.breaker)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidConfig(
            f"The breaker {found.breaker!r} cannot be imported ({error}): give install a function or its 'module:name'."
        ) from error


def _no_breaker(service: str) -> Any:
    raise LookupError(service)


def _changed(conf: Any) -> Iterator[str]:
    for name, value in KEPT.items():
        if conf.get(name) != value:
            yield (
                f"{name} is {conf.get(name)!r}, and delivery needs {value!r}: tasks would be lost. Do not set it, and "
                "call install after everything else that configures the app."
            )


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
                f"There is no breaker for {service} ({name_of(error)}): its queues could not be held. Mend the "
                "function that install was given as breaker."
            )
            continue
        if not known:
            yield (
                f"The breaker of {service} has no `state`, so nobody would know when its queues must be held: return "
                "an object that has one, such as pybreaker's CircuitRedisStorage."
            )
