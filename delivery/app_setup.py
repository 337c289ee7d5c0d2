"""`install`: one call that gives a Celery app delivery that loses nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery, Task, signals
from kombu.utils.imports import symbol_by_name

from .base import KeptTask
from .bounds import Bounds
from .broker.transport import broker_settings
from .celery_settings import BRIEF_RESULTS, KEPT, PUBLISHED, transport_options
from .connections.address import as_one_host, default_key_prefix, hide_credentials, is_redis, with_tls
from .errors import InvalidConfig
from .held_queues.probes import command_of
from .install_checks import (
    checked_key_prefix,
    checked_old_prefix,
    checked_prefix,
    complete_address,
    refuse_address,
    refuse_app,
    refuse_needs,
)
from .keys import Keys, prefix_option
from .messages.message import MESSAGE_MAX_BYTES
from .settings import BreakerOf, Installed, Probe, remember
from .startup_checks import refuse_pool, refuse_setup

# By name: a producer loads none of them.
_STEPS = ("worker.lease:Lease", "worker.presence:Presence", "held_queues.leading:Lead", "worker.drain:Drain")
_RESULTS = {"redis": f"{__package__}.results:Backend", "rediss": f"{__package__}.results:TlsBackend"}

signals.celeryd_init.connect(refuse_pool)
signals.worker_init.connect(refuse_setup)


def install(
    app: "Celery[Any]",
    url: str,
    *,
    prefix: str | None = None,
    key_prefix: str = "",
    key_prefix_old: str | None = None,
    visibility_timeout_secs: int = 60,
    grace_secs: float = 30.0,
    state_url: str | None = None,
    bounds: Bounds | None = None,
    needs: Mapping[str, Sequence[str]] | None = None,
    breaker: BreakerOf | str | None = None,
    probe: Probe | str | None = None,
    pause_secs: float = 60.0,
    message_max_bytes: int = MESSAGE_MAX_BYTES,
    unacked_key: str = "",
    min_replicas: int = 0,
) -> Installed:
    """Make the workers of `app` keep every message that they take. Call it last in the app's setup, and once.

    docs/delivery.md says more about each argument. Give all producers and workers the same ones.

    - `url`, `state_url`: the broker, and the Redis of dead letters and holds if it is another. `broker_use_ssl` counts
      for both, and for sentinels and nodes.
    - `prefix`: how delivery's keys in Redis begin; the default is the app's name. Each app on a database needs its own.
    - `key_prefix`: what stands before the name of every key and channel, queues and results included, so that two
      fleets of the same app can share a database.
    - `key_prefix_old`: the prefix before a change ("" for none): workers bring over what arrives under the old names.
    - `visibility_timeout_secs`, `grace_secs`: when a dead worker's messages go back; how long a stopping one works.
    - `needs`: the services that the tasks of each queue call. A queue is held while one of its services is down.
    - `breaker`: service → its breaker's `state`; a function or "module:name", required with `needs`.
    - `probe`: service → whether it is up; a function, or a module that exits with 0. Else a try after `pause_secs`.
    - `bounds`, `message_max_bytes`: how many dead letters are kept, and how large a message may be.
    - `unacked_key`: a fixed name for the hash of in-flight messages.
    - `min_replicas`: how many replicas must have a task or a dead letter before it counts as sent or kept; else
      DeliveryUncertain is raised.

    Raises: InvalidConfig.
    """
    refuse_app(app)
    for argument, address in {"url": url, "state_url": state_url or url}.items():
        refuse_address(argument, address)
    urls = [with_tls(address, app.conf.broker_use_ssl) for address in (url, state_url or url)]
    keys = Keys(checked_prefix(app, prefix), unacked_key)
    key_prefix = checked_key_prefix("key_prefix", key_prefix or default_key_prefix(keys.prefix, [url]))
    broker_url, letters_url = (complete_address(one, key_prefix) for one in urls)
    found = Installed(
        url=broker_url,
        state_url=hide_credentials(letters_url),
        key_prefix=key_prefix,
        key_prefix_old=checked_old_prefix(key_prefix_old, key_prefix, urls),
        unprefixed_keys=keys,
        visibility_timeout_secs=visibility_timeout_secs,
        grace_secs=grace_secs,
        bounds=bounds or Bounds(),
        needs={queue: tuple(services) for queue, services in (needs or {}).items()},
        breaker=breaker,
        probe=probe,
        pause_secs=pause_secs,
        message_max_bytes=message_max_bytes,
        min_replicas=min_replicas,
    )
    refuse_needs(found)
    if probe:
        command_of(probe)
    _use_kept_tasks(app)
    _configure(app, found)
    remember(app, found)
    return found


def _configure(app: "Celery[Any]", found: Installed) -> None:
    app.conf.update(
        broker_settings(found.url),
        result_backend=_results(app, found.key_prefix),
        broker_use_ssl=False,  # the addresses say it
        redis_backend_use_ssl=None,
        **KEPT,
        **PUBLISHED,
        broker_transport_options={**app.conf.broker_transport_options, **transport_options(found)},
        result_backend_transport_options={
            **app.conf.result_backend_transport_options,
            **BRIEF_RESULTS,
            **prefix_option(found.key_prefix),
        },
    )
    # By name, and for a Redis only: a producer without results loads no result store.
    app.loader.override_backends = {**app.loader.override_backends, **_RESULTS}
    app.steps["consumer"].update(f"{__package__}.{step}" for step in _STEPS)


def _results(app: Any, key_prefix: str) -> Any:
    url = app.conf.result_backend
    if not isinstance(url, str) or not is_redis(url):
        return url
    refuse_address("result_backend", url)
    return as_one_host(complete_address(with_tls(url, app.conf.redis_backend_use_ssl), key_prefix))


def _use_kept_tasks(app: Any) -> None:
    base = app.task_cls if isinstance(app.task_cls, type) else symbol_by_name(app.task_cls)
    if base is Task:
        app.task_cls = KeptTask
    elif not issubclass(base, KeptTask):
        raise InvalidConfig(
            f"Tasks of {base.__name__} would not be kept when they fail: let {base.__name__} inherit from "
            "memory_graph_workers.delivery.KeptTask."
        )
