"""Celery's result store in Redis, over connections of ours."""

from typing import Any
from urllib.parse import unquote

from celery.backends.redis import RedisBackend
from redis.connection import URL_QUERY_ARGUMENT_PARSERS

from .connections.address import DISCOVERED, server_url, without_credentials
from .connections.connection import prepare_pool

_PARSERS: dict[str, Any] = {
    name: parse for name, parse in URL_QUERY_ARGUMENT_PARSERS.items() if name.startswith("ssl_")
}
_PlainBackend: Any = RedisBackend  # what is overridden here is not in the stubs
_PlainConsumer: Any = RedisBackend.ResultConsumer


class ResultConsumer(_PlainConsumer):
    """Hears of results; after a lost connection it subscribes again."""

    def _reconnect_pubsub(self) -> None:
        """Close what is left of the lost connection; Celery leaves that to the collection of garbage."""
        pool = self.backend.client.connection_pool
        if self._pubsub is not None:
            self._pubsub.close()
        pool.disconnect(inuse_connections=False)  # those in use are other threads'
        super()._reconnect_pubsub()


class Backend(_PlainBackend):
    """A result store that survives a failover: Celery tries again after a lost connection."""

    _scheme = "redis"
    ResultConsumer = ResultConsumer

    def __init__(self, url: str = "", **options: Any) -> None:
        """`url` lacks the first part of a scheme of two, such as redis+cluster."""
        whole = f"{self._scheme}+{url}"
        super().__init__(url=whole if whole.startswith(DISCOVERED) else url, **options)

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> Any:
        found = super()._params_from_url(server_url(url) if url.startswith(DISCOVERED) else url, defaults)
        for name, parse in _PARSERS.items():  # Celery leaves them texts, and "false" counts as true
            if isinstance(found.get(name), str):
                found[name] = parse(found[name])
        return found

    def _get_pool(self, **params: Any) -> Any:
        return prepare_pool(super()._get_pool(**params), self.url or "")

    def get(self, key: Any) -> Any:
        """Read one result; a lost connection is tried again, as Celery does where it writes."""
        return self.ensure(super().get, (key,))

    def mget(self, keys: Any) -> Any:
        """Read several results, in the same way."""
        return self.ensure(super().mget, (keys,))

    def as_uri(self, include_password: bool = False) -> str:
        """Return the address, without its password."""
        if not self.url.startswith(DISCOVERED):
            return super().as_uri(include_password)
        return self.url if include_password else unquote(without_credentials(self.url))


class TlsBackend(Backend):
    """The same over TLS."""

    _scheme = "rediss"
