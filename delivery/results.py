"""Celery's result store in Redis, over connections that are dropped when the server says "not now"."""

from typing import Any

from celery.backends.redis import RedisBackend

from .replies import dropping

_PlainBackend: Any = RedisBackend  # what is overridden here is not in the stubs


class Backend(_PlainBackend):
    """A result store that survives a planned failover: Celery tries again after a lost connection."""

    def _get_pool(self, **params: Any) -> Any:
        pool = super()._get_pool(**params)
        pool.connection_class = dropping(pool.connection_class)
        return pool
