"""The Celery app: queues, what each of them needs, results, and delivery."""

import importlib
import sys
from typing import Any

from celery import Celery, signals
from kombu import Exchange, Queue

from ..beat_schedule import sweep_schedule
from ..clients.errors import InvalidConfig
from ..delivery import install
from ..delivery.connections.address import without_credentials
from ..delivery.keys import PLAIN_UNACKED
from ..tracing.config import TracingConfig
from .base import MemoryGraphTask, bounds, broker, limits
from .base import mistakes as mistakes
from .connections import config

PREFIX = "memory_graph"
REGISTRY, VAULT, ARCHIVAL, HEALTH = (f"{PREFIX}.{name}" for name in ("registry", "vault", "archival", "health"))

app = Celery("memory_graph_workers", task_cls=MemoryGraphTask, log="memory_graph_workers.tasks.logs:Log")


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)


app.conf.update(
    result_backend=broker.results,
    imports=[f"memory_graph_workers.tasks.{name}" for name in ("registry", "vault", "archival")],
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    timezone="UTC",
    enable_utc=True,
    # Queues: one a service; health checks and the watch never wait behind work, nor for a service.
    task_queues=[_queue(name) for name in (REGISTRY, VAULT, ARCHIVAL, HEALTH)],
    task_create_missing_queues=False,  # a misspelt queue is refused by whoever sends, and not a list that nobody reads
    task_default_queue=ARCHIVAL,
    task_default_exchange=ARCHIVAL,
    task_default_routing_key=ARCHIVAL,
    task_routes=[
        [
            (f"{PREFIX}.*.health_check", {"queue": HEALTH}),
            (f"{PREFIX}.archival.watch", {"queue": HEALTH}),
            *((f"{name}.*", {"queue": name}) for name in (REGISTRY, VAULT, ARCHIVAL)),
        ]
    ],
    # Results: only where asked for, and not for long.
    result_expires=broker.result_expires_secs,
    task_store_errors_even_if_ignored=False,
    # What watches.
    worker_send_task_events=True,
    task_send_sent_event=False,
    task_track_started=False,
    worker_hijack_root_logger=True,
    beat_scheduler="memory_graph_workers.tasks.beat:Scheduler",
    beat_max_loop_interval=5,
    redbeat_redis_url=without_credentials(broker.state),  # only to be shown: Celery tells its settings to whoever asks
    redbeat_redis_options={},
    redbeat_key_prefix=f"{broker.prefix}{PREFIX}:beat:",
    redbeat_lock_timeout=30,
)

install(
    app,
    broker.broker,
    prefix=PREFIX,
    key_prefix=broker.prefix,
    key_prefix_old=broker.key_prefix_old,
    visibility_timeout_secs=broker.visibility_timeout_secs,
    grace_secs=limits.grace_secs,
    state_url=broker.state,
    bounds=bounds,
    # Which services a queue's tasks need: it is held while one of them is down. Health checks never wait.
    needs={
        REGISTRY: ("registry",),
        VAULT: ("vault",),
        ARCHIVAL: ("registry", "vault", "memory_graph"),
    },
    breaker="memory_graph_workers.tasks.connections:breaker_state",
    probe="memory_graph_workers.tasks.probe",
    message_max_bytes=broker.message_max_bytes,
    min_replicas=broker.min_replicas,
    unacked_key=PLAIN_UNACKED,  # as in every release
)


@signals.celeryd_init.connect
def refuse_wrong_settings(instance: Any = None, **kwargs: Any) -> None:
    """Stop a worker of ours before it starts if settings are wrong; all mistakes are named."""
    if not _is_ours(instance):
        return
    try:
        sweep_schedule(config().scheduler)
        TracingConfig.from_env()
    except (InvalidConfig, ValueError) as error:
        sys.exit(str(error))


@signals.celeryd_init.connect
def load_before_the_fork(instance: Any = None, **kwargs: Any) -> None:
    """Load once what every child calls services with, and no producer does."""
    if _is_ours(instance):
        importlib.import_module("..clients.http", __package__)
        if TracingConfig.from_env().is_on:
            importlib.import_module(".tracing", __package__)


def _is_ours(worker: Any) -> bool:
    """Whether a worker runs this app: whoever enqueues may be a task of another one, in a worker of its own."""
    return worker is None or worker.app is app
