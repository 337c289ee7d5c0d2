"""All checks, made beside each other; one that breaks or takes too long is a finding of its own."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ...clients.errors import InvalidConfig
from ...tasks.config import WorkerConfig
from ..answering import FIX, no_answer, silent
from ..target import Target, target_of
from ..threads import Shared
from .finding import Check, Finding, State
from .held import check_held
from .keys import check_keys
from .messages import check_other_queues, check_stores, check_timeout, check_waiting
from .redis_server import check_all
from .services import check_memory_graph, check_registry, check_vault
from .sweeps import check_sweeps
from .versions import check_versions
from .workers import check_workers

LIMIT_SECS = 60.0


def examine_ours() -> list[Finding]:
    """The findings about this package's own app, its services and its sweeps."""
    try:
        config, target = WorkerConfig.from_env(), target_of(None)
    except InvalidConfig as error:
        fix = (
            "Correct what is named in the environment of the workers; docs/reference.md says what each setting may be."
        )
        return [Finding("settings", State.FAILURE, line, fix) for line in error.message.splitlines()]
    limit = Finding("time limit", State.OK, f"{config.tasks.time_limit_secs:g} s; the lease is renewed meanwhile")
    return [limit, *examine({**checks_of(target), **_of_services(config)})]


def examine_without_services(target: Target, limit_secs: float) -> list[Finding]:
    """The same for a program that may not know the services: they are checked only if it has a worker's settings.

    Its user of Redis may have other rights than a worker's, which are not judged.
    """
    checks = checks_of(target, as_worker=False)
    try:
        checks |= _of_services(WorkerConfig.from_env())
    except InvalidConfig:
        checks["services"] = _not_known
    return examine(checks, limit_secs)


def _of_services(config: WorkerConfig) -> dict[str, Check]:
    return {
        "registry": partial(check_registry, config),
        "vault": partial(check_vault, config),
        "memory-graph": partial(check_memory_graph, config),
    }


def _not_known() -> Iterator[Finding]:
    yield Finding("services", State.SKIPPED, "not checked: this program has no settings of them. Run mgw doctor")


def checks_of(target: Target, *, as_worker: bool = True) -> dict[str, Check]:
    """The checks that make sense for an app, by name; with `as_worker`, the user of Redis must be one of workers'."""
    _ = target.queues  # looked up now: that adds to the app's queues, and the checks run in threads beside each other
    checks: dict[str, Check] = {"versions": check_versions, "timeout": partial(check_timeout, target)}
    silent_ones = silent((target.delivery.url, target.delivery.state_url))
    if silent_ones:  # one finding, and no wait of each check that needs Redis
        return {**checks, "redis": partial(_say_silent, silent_ones)}
    return {
        **checks,
        "redis": partial(check_all, target, as_worker=as_worker),
        "workers": partial(check_workers, target),
        "keys": partial(check_keys, target),
        "other queues": partial(check_other_queues, target),
        "waiting": partial(check_waiting, target),
        "stores": partial(check_stores, target),
        "held": partial(check_held, target),
        **({"sweeps": check_sweeps} if target.is_ours else {}),
    }


def _say_silent(addresses: list[str]) -> Iterator[Finding]:
    for address in addresses:
        yield Finding("redis", State.FAILURE, no_answer(address), FIX)
    yield Finding("what is in Redis", State.SKIPPED, "not checked: Redis does not answer")


def examine(checks: Mapping[str, Check], limit_secs: float = LIMIT_SECS) -> list[Finding]:
    """The findings of all checks; a check that cannot be made is a failure of its own."""
    deadline = time.monotonic() + limit_secs
    running = {name: Shared(partial(_made, name, check)).start() for name, check in checks.items()}
    return [finding for name, found in running.items() for finding in _in_time(name, found, deadline)]


def _in_time(name: str, found: "Future[list[Finding]]", deadline: float) -> list[Finding]:
    try:
        return found.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        fix = "See whether what it asks is up, then run mgw doctor again."
        return [Finding(name, State.FAILURE, "not checked: it took too long", fix)]


def _made(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except (RedisError, OperationalError) as error:
        return [Finding(name, State.SKIPPED, f"not checked: Redis does not serve it ({type(error).__name__})")]
    except Exception as error:  # noqa: BLE001  a check that breaks must not hide the others
        fix = "Repair what is found about Redis and the services, then run mgw doctor again."
        return [Finding(name, State.FAILURE, f"could not be checked ({type(error).__name__})", fix)]
