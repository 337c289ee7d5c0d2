"""A span for each attempt of a task, in the process that runs it; imported only by a worker that records traces."""

from typing import Any

from celery import signals
from celery.exceptions import Retry
from celery.states import FAILURE

from ..delivery.redaction import name_of
from ..tracing import recording
from ..tracing.config import TracingConfig
from ..tracing.context import TRACEPARENT, context_of
from ..tracing.spans import mark_failed, span
from .sweep_id import sweep_id_of


@signals.worker_process_init.connect
def start_recording(**kwargs: Any) -> None:
    """Record the tasks of this process; the worker's parent runs none."""
    recording.start(TracingConfig.from_env(), "memory-graph-worker")
    signals.task_prerun.connect(begin_span)
    signals.task_postrun.connect(end_span)


@signals.worker_process_shutdown.connect
def stop_recording(**kwargs: Any) -> None:
    """Send what is recorded: a child ends without running what `atexit` registered."""
    recording.stop()


def begin_span(task: Any, task_id: str, kwargs: Any, **more: Any) -> None:
    """Record an attempt, as a part of the trace that its message names."""
    request = task.request
    named = context_of((request.headers or {}).get(TRACEPARENT))
    request.attempt = span(f"run {task.name}", "CONSUMER", _facts(task, task_id, kwargs), parent=named)
    request.attempt_span = request.attempt.__enter__()


def end_span(task: Any, state: Any = None, retval: Any = None, **more: Any) -> None:
    """End the span of an attempt with what became of it."""
    request = task.request
    if request.attempt_span is not None:
        request.attempt_span.set_attribute("celery.state", str(state))
        if state == FAILURE:
            mark_failed(request.attempt_span, name_of(retval))
        elif isinstance(retval, Retry) and isinstance(retval.exc, BaseException):
            request.attempt_span.set_attribute("error.type", name_of(retval.exc))
    request.attempt.__exit__(None, None, None)


def _facts(task: Any, task_id: str, kwargs: Any) -> dict[str, Any]:
    """What a task's log lines say of it, too."""
    facts = {
        "messaging.system": "celery",
        "messaging.operation.type": "process",
        "messaging.destination.name": (task.request.delivery_info or {}).get("routing_key"),
        "messaging.message.id": task_id,
        "celery.retries": task.request.retries,
        "memory_graph.sweep_id": sweep_id_of(task.name, task_id, kwargs),
    }
    return {name: value for name, value in facts.items() if value is not None}
