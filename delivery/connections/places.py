"""Which server an address means now: asked anew at each connect, because after a failover it is another one."""

import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from .address import Sentinels, sentinels_of
from .replies import NoPrimary

_ASK_SECS = 1.0


class Place(Protocol):
    """Somebody who knows where a server is."""

    def find(self) -> tuple[str, int]:
        """Return the server's host and port.

        Raises: redis.ConnectionError if nobody knows it.
        """
        ...


@dataclass(frozen=True)
class PrimaryOf:
    """The primary that sentinels know by a name."""

    sentinels: Sentinels
    options: dict[str, Any] = field(repr=False)

    def find(self) -> tuple[str, int]:
        """Ask the sentinels, in an order of chance, so that a fleet's workers do not all ask the same one."""
        hosts = random.sample(self.sentinels.hosts, len(self.sentinels.hosts))
        asked = Sentinel(hosts, sentinel_kwargs=self.options)
        try:
            host, port = asked.discover_master(self.sentinels.primary)
        except MasterNotFoundError:
            asking = ", ".join(f"{host}:{port}" for host, port in self.sentinels.hosts)
            raise NoPrimary(self.sentinels.primary, asking) from None
        else:
            return str(host), int(port)
        finally:
            asked.close()


def place_of(url: str) -> Place | None:
    """Who knows where an address's server is; None if the address says it."""
    sentinels = sentinels_of(url)
    if sentinels is None:
        return None
    parsed = parse_url(sentinels.server_url)
    tls = {name: value for name, value in parsed.items() if name.startswith("ssl_")}
    return PrimaryOf(
        sentinels,
        {
            **dict(sentinels.login),
            **({"ssl": True, **tls} if "connection_class" in parsed else {}),
            "socket_timeout": _ASK_SECS,
            "socket_connect_timeout": _ASK_SECS,
            "retry": Retry(NoBackoff(), 0),
        },
    )
