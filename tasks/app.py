"""The Celery app: queues, delivery, and the base that every task shares."""

import importlib
import sys
from contextlib import suppress
from typing import Any

from celery import Celery, signals
from celery.exceptions import Reject
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..beat_schedule import sweep_schedule
from ..clients.errors import CircuitBreakerOpen, IntegrationError, InvalidConfig, TransientError
from ..delivery.dead_letters import shown
from ..delivery.holds import LONGEST_COUNTDOWN_SECS, Holds
from ..delivery.redaction import HIDDEN, DiscreetTask
from ..delivery.transport import broker_settings
from . import connections
from .config import for_a_producer
from .connections import config

PREFIX = "memory_graph"
REGISTRY, VAULT, ARCHIVAL, HEALTH = (f"{PREFIX}.{name}" for name in ("registry", "vault", "archival", "health"))

# A producer is told within seconds that the broker is away; a worker's retry waits for it.
BRIEF = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
PATIENT = {"max_retries": 60, "interval_start": 0.2, "interval_step": 0.3, "interval_max": 1.0}
SHORT_SECS, LONG_SECS = 3, 30  # for one answer of a broker that took the connection: a producer waits for three

broker, limits, mistakes = for_a_producer()
# Another broker than Redis holds no queues: its tasks wait by countdown, however long.
HOLDS = broker.broker.startswith(("redis://", "rediss://", "redis+socket://"))
# A list of Redis is there once something is in it; to declare it costs a tenth of what sending does.
_DECLARED = {"declare": []} if HOLDS else {}
HELD_SECS = 2.0  # until the queue is held, or known not to be


class MemoryGraphTask(DiscreetTask):
    """What all tasks share: acknowledged late, tried again on transient errors only, silent about payloads."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    autoretry_for = (TransientError, *connections.AWAY)
    max_retries = limits.max_attempts - 1
    retry_backoff = limits.backoff_secs
    retry_backoff_max = limits.backoff_max_secs
    retry_jitter = True
    time_limit = int(limits.time_limit_secs)
    resultrepr_maxsize = 0
    Request = "memory_graph_workers.delivery.request:Request"

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send the task; its arguments show nowhere but in the message.

        Raises: InvalidConfig, kombu.exceptions.OperationalError within seconds where the broker is away.
        """
        if mistakes:
            raise mistakes
        options = {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN, **_DECLARED, **options}
        try:
            return super().apply_async(args, kwargs, **options)
        except RuntimeError as error:  # before it sends, Celery asks the result store to tell it of the result
            if isinstance(error.__cause__, RedisError):
                raise OperationalError(f"The result store is away: {error.__cause__}") from error
            raise

    def retry(self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send the task again, not before the service asked for.

        A refusal by a breaker, and a wait so long that the service's queues are held for it, spend no attempt.
        """
        asked_secs = (exc.retry_after_secs if isinstance(exc, IntegrationError) else None) or 0
        held = _is_held_for(exc, asked_secs)
        if held and self.max_retries:
            self.request.retries = self.request.retries - 1
        options["countdown"] = HELD_SECS if held else max(options.get("countdown") or 0, asked_secs)
        try:
            return super().retry(args, kwargs, exc, retry_policy=PATIENT, **options)
        except Reject as rejected:
            # Celery gives up a task that it cannot send again; the broker still has it, so leave it there.
            raise Reject("the broker was away", requeue=True) from rejected


def _is_held_for(error: Any, asked_secs: float) -> bool:
    """Whether a failure is a matter of its service's queues; a task then waits with them, in Redis."""
    if not HOLDS or not isinstance(error, IntegrationError):
        return False
    if asked_secs <= LONGEST_COUNTDOWN_SECS or not error.service:
        return isinstance(error, CircuitBreakerOpen)
    with suppress(RedisError):  # while it is away, the task waits by its countdown
        Holds(connections.redis()).ask(error.service, asked_secs)
        return True
    return False


app = Celery("memory_graph_workers", task_cls=MemoryGraphTask, log="memory_graph_workers.tasks.logs:Log")


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)


app.conf.update(
    broker_settings(broker.broker),
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
    # Which services a queue's tasks need: it is held while one of them is down. Health checks never wait.
    queue_needs={
        REGISTRY: ("registry",),
        VAULT: ("vault",),
        ARCHIVAL: ("registry", "vault", "memory_graph"),
    },
    worker_grace_secs=limits.grace_secs,
    worker_soft_shutdown_timeout=0,
    # Delivery: a task is acknowledged when it is done, and comes back when its worker is gone.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    worker_consumer="memory_graph_workers.delivery.consumer:Consumer",
    worker_prefetch_multiplier=1,
    worker_enable_prefetch_count_reduction=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": broker.visibility_timeout_secs,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": SHORT_SECS,
        "socket_timeout": SHORT_SECS,
        "health_check_interval": 25,
        "dead_letters_url": shown(broker.redis_url),
    },
    task_publish_retry=True,
    task_publish_retry_policy=BRIEF,
    # Results: only where asked for, and not for long.
    result_expires=broker.result_expires_secs,
    redis_socket_connect_timeout=SHORT_SECS,
    redis_socket_timeout=SHORT_SECS,
    result_backend_transport_options={"retry_policy": {"max_retries": 1, "interval_start": 0}},
    task_store_errors_even_if_ignored=False,
    # What watches.
    worker_send_task_events=True,
    task_send_sent_event=False,
    task_track_started=False,
    worker_hijack_root_logger=True,
    beat_scheduler="memory_graph_workers.tasks.beat:Scheduler",
    beat_max_loop_interval=5,
    redbeat_redis_url=broker.beat[0],
    redbeat_redis_options={**broker.beat[1], "socket_connect_timeout": 5, "socket_timeout": 30},
    redbeat_key_prefix=f"{PREFIX}:beat:",
    redbeat_lock_timeout=30,
)

_STEPS = ("lease:Lease", "holding:Hold", "drain:Drain")  # by name: a producer needs none of them
app.steps["consumer"].update(f"memory_graph_workers.delivery.{step}" for step in _STEPS)


@signals.celeryd_init.connect
def refuse_wrong_settings(instance: Any = None, options: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Stop a worker of ours before it starts: on wrong settings, all named, and on a pool that loses tasks."""
    if not _is_ours(instance):
        return
    pool = str((options or {}).get("pool") or conf.worker_pool)  # a name, or the class that Celery made of it
    refused = next((name for name in ("gevent", "eventlet") if name in pool), None)
    if refused:
        sys.exit(f"The {refused} pool is refused: it loses tasks when a worker stops. Start with --pool prefork.")
    try:
        sweep_schedule(config().scheduler)
    except InvalidConfig as error:
        sys.exit(str(error))


@signals.celeryd_init.connect
def wait_longer(instance: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Let a worker wait longer than a producer: it has nobody to tell that broker and results are slow or away."""
    if not _is_ours(instance):
        return
    conf.broker_transport_options = {**conf.broker_transport_options, "socket_timeout": LONG_SECS}
    conf.redis_socket_timeout = LONG_SECS
    conf.result_backend_transport_options = {}


@signals.celeryd_init.connect
def load_before_the_fork(instance: Any = None, **kwargs: Any) -> None:
    """Load once what every child calls services with, and no producer does."""
    if _is_ours(instance):
        importlib.import_module("..clients.http", __package__)


def _is_ours(worker: Any) -> bool:
    """Whether a worker runs this app: whoever enqueues may be a task of another one, in a worker of its own."""
    return worker is None or worker.app is app
