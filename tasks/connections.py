"""The connections of one process: made when first used, and made again in a forked child."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from redis import Redis

from ..clients.config import IDLE_CONNECTIONS, MemoryGraphConfig, RegistryConfig, VaultConfig
from ..clients.registry import RegistryClient
from ..clients.retry import ONCE
from ..delivery.connections.connection import connect
from .config import BrokerConfig, TaskConfig, WorkerConfig

if TYPE_CHECKING:
    from ..clients.breaker import Breaker, RedisStorage
    from ..clients.memory_graph import MemoryGraphClient
    from ..clients.vault import VaultClient

T = TypeVar("T")
_lent: dict[str, Any] = {}


def _once(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that makes an object when first called, unless a test lends one."""
    made = cache(make)

    @wraps(made)
    def get() -> T:
        return _lent[make.__name__] if make.__name__ in _lent else made()

    get.cache_clear = made.cache_clear  # type: ignore[attr-defined]  # pyright: ignore
    return get


@contextmanager
def lending(**objects: Any) -> Generator[None]:
    """Use these objects in place of the connections of their names, within the block."""
    before = dict(_lent)
    _lent.update(objects)
    try:
        yield
    finally:
        _lent.clear()
        _lent.update(before)


@_once
def config() -> WorkerConfig:
    """The worker's settings."""
    return WorkerConfig.from_env()


@_once
def redis() -> Redis:
    """The Redis that holds sweeps, breakers and dead letters; answers are bytes."""
    url = BrokerConfig.from_env().state
    return connect(url, timeout_secs=10, connect_timeout_secs=5, health_check_interval=30)


@_once
def registry() -> RegistryClient:
    """The Registry; Celery tries again, so the client does not.

    It reads its own settings alone: a task that runs where it is sent (task_always_eager) needs no key of the Vault.
    """
    return RegistryClient(
        RegistryConfig.from_env(), retry_policy=ONCE, breaker=_shared_breaker("registry"), idle_connections=_at_once()
    )


@_once
def vault() -> "VaultClient":
    """The Vault; Celery tries again, so the client does not. Imported here: most producers have nothing for it."""
    from ..clients.vault import VaultClient

    settings = VaultConfig.from_env()
    return VaultClient(settings, retry_policy=ONCE, breaker=_shared_breaker("vault"), idle_connections=_at_once())


@_once
def memory_graph() -> "MemoryGraphClient":
    """The graph; imported here because gRPC must not be there before a fork."""
    from ..clients.memory_graph import MemoryGraphClient

    return MemoryGraphClient(MemoryGraphConfig.from_env(), retry_policy=ONCE, breaker=_shared_breaker("memory_graph"))


@_once
def calls_side_by_side() -> int:
    """How many calls one task makes at the same time."""
    return TaskConfig.from_env().calls_side_by_side


def _at_once() -> int:
    """How many calls this process makes at the same time; a connection that is not kept costs as much as a call."""
    return max(IDLE_CONNECTIONS, calls_side_by_side())


def breaker_state(service: str) -> "RedisStorage":
    """The state of a service's circuit breaker, which all workers share."""
    from ..clients.breaker import RedisStorage

    return RedisStorage(redis(), service, key_prefix=BrokerConfig.from_env().prefix)


def _shared_breaker(service: str) -> "Breaker":
    from ..clients.breaker import Breaker

    return Breaker(service, breaker_state(service))


_MADE: tuple[Callable[[], Any], ...] = (config, redis, registry, vault, memory_graph, calls_side_by_side)


def forget() -> None:
    """Make every connection again when it is next used."""
    for made in _MADE:
        made.cache_clear()  # type: ignore[attr-defined]  # pyright: ignore


# A socket that two processes share gives each the other's answers.
os.register_at_fork(after_in_child=forget)
