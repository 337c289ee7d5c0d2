"""The settings of Celery that delivery needs: of every process of an app, and of a worker that starts."""

from dataclasses import asdict
from typing import Any

from celery import signals

from .keys import prefix_option
from .settings import Installed, installed_or_none

# A producer is told within seconds that the broker is away; a worker's retry waits for it (`KeptTask.retry`).
BRIEF = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
BRIEF_RESULTS = {"retry_policy": {"max_retries": 1, "interval_start": 0}}
SHORT_SECS, LONG_SECS = 3, 30  # for one response of a broker that took the connection

# A task is acknowledged when it is done, and comes back when its worker is gone.
KEPT: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_acks_on_failure_or_timeout": True,
    "worker_consumer": f"{__package__}.worker.consumer:Consumer",
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
def wait_longer(instance: Any = None, conf: Any = None, **kwargs: Any) -> None:
    """Let a worker wait longer than a producer: it has nobody to tell that broker and results are slow or away."""
    if installed_or_none(getattr(instance, "app", None)) is None:
        return
    results = conf.result_backend_transport_options
    conf.broker_transport_options = {**conf.broker_transport_options, "socket_timeout": LONG_SECS}
    conf.redis_socket_timeout = LONG_SECS
    conf.result_backend_transport_options = {name: results[name] for name in results if name not in BRIEF_RESULTS}


def transport_options(found: Installed) -> dict[str, Any]:
    """Return the options of channels; plain values, because remote control shows them to anybody who asks."""
    return {
        "visibility_timeout": found.visibility_timeout_secs,
        "unacked_key": found.unprefixed_keys.unacked,
        "unacked_index_key": found.unprefixed_keys.unacked_index,
        "unacked_mutex_key": found.unprefixed_keys.unacked_mutex,
        "unacked_restore_interval": max(1.0, found.visibility_timeout_secs / 20),
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": SHORT_SECS,
        "socket_timeout": SHORT_SECS,
        "health_check_interval": 25,
        "dead_letters_url": found.state_url,
        "dead_letters_bounds": asdict(found.bounds),
        "delivery_prefix": found.unprefixed_keys.prefix,
        "message_max_bytes": found.message_max_bytes,
        "min_replicas": found.min_replicas,
        **prefix_option(found.key_prefix),
    }
