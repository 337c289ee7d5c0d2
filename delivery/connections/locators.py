"""Which server an address means now: asked again at each connect, because after a failover it is another one."""

import random
from functools import lru_cache
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from .address import Seeds, seeds_of
from .replies import NoServer, summary_of

_ASK_SECS = 1.0


class Locator(Protocol):
    """Whoever knows where a server is: asked at each connect."""

    def locate(self) -> tuple[str, int]:
        """Return the server's host and port.

        Raises: redis.ConnectionError if nobody knows it.
        """
        ...


class SentinelLocator:
    """Finds the primary that sentinels know by a name."""

    def __init__(self, seeds: Seeds) -> None:
        self._seeds, self._options = seeds, {**dict(seeds.login), **_options(seeds, ("ssl",))}

    def locate(self) -> tuple[str, int]:
        """Ask the sentinels, in random order, so that a fleet's workers do not all ask the same one."""
        said: list[str] = []
        for host in _shuffled(self._seeds.hosts):
            asked = Sentinel([host], sentinel_kwargs=self._options)
            try:
                asked.sentinels[0].ping()  # else one that refuses the login counts as one without a primary
                found, port = asked.discover_master(self._seeds.name)
            except MasterNotFoundError:
                continue
            except RedisError as error:
                said.append(_told(host, error))
            else:
                return str(found), int(port)
            finally:
                asked.close()
        wanted = f"a primary {self._seeds.name} that is up"
        raise NoServer(f"None of the sentinels {_shown(self._seeds)} knows {wanted}{_and(said)}")


class ClusterLocator:
    """Finds the node of a cluster that has the keys with a hash tag."""

    def __init__(self, seeds: Seeds) -> None:
        self._seeds, self._options = seeds, _options(seeds, ("ssl", "username", "password"))
        self._slot = key_slot(f"{{{seeds.name}}}".encode())
        self._nodes: tuple[tuple[str, int], ...] = ()  # that were seen last: the first ones may be gone for good

    def locate(self) -> tuple[str, int]:
        """Ask the nodes, in random order."""
        said: list[str] = []
        for host, port in _shuffled({*self._seeds.hosts, *self._nodes}):
            try:
                with redis.Redis(host=host, port=port, **self._options) as node:
                    slots: Any = node.execute_command("CLUSTER SLOTS")
            except RedisError as error:  # it is away or in no cluster, or says nothing to this user
                said.append(_told((host, port), error))
                continue
            nodes = [(_name(each, host), int(each[1])) for row in slots for each in row[2:]]
            self._nodes = tuple(node for node in nodes if node[0])
            for first, last, owner, *_ in slots:
                if first <= self._slot <= last and _name(owner, host):
                    return _name(owner, host), int(owner[1])
        keys = f"who has the keys of {{{self._seeds.name}}}"
        raise NoServer(f"None of the nodes {_shown(self._seeds)} of a cluster knows {keys}{_and(said)}")


@lru_cache(maxsize=16)  # it knows what it saw last
def locator_of(url: str) -> Locator | None:
    """The locator of an address's server; None if the address itself says where that is."""
    seeds = seeds_of(url)
    if seeds is None:
        return None
    return SentinelLocator(seeds) if seeds.kind == "sentinel" else ClusterLocator(seeds)


def _options(seeds: Seeds, kinds: tuple[str, ...]) -> dict[str, Any]:
    """How the servers are asked that know it: in a second, and not twice."""
    parsed = parse_url(seeds.server_url)
    kept = {name: value for name, value in parsed.items() if name.startswith(kinds)}
    tls = {"ssl": True} if "connection_class" in parsed else {}
    once = Retry(NoBackoff(), 0)
    return {**kept, **tls, "socket_timeout": _ASK_SECS, "socket_connect_timeout": _ASK_SECS, "retry": once}


def _shuffled(hosts: Any) -> list[tuple[str, int]]:
    return random.sample(sorted(hosts), len(hosts))


def _shown(seeds: Seeds) -> str:
    return ", ".join(f"{host}:{port}" for host, port in seeds.hosts)


def _told(host: tuple[str, int], error: RedisError) -> str:
    return f"{host[0]}:{host[1]}: {summary_of(error)}"


def _and(said: list[str]) -> str:
    return f" ({'; '.join(said)})" if said else ""


def _name(node: Any, asked: str) -> str:
    """A node's host: the one that was asked where the node does not say it, and empty where it does not know it."""
    host = node[0].decode() if isinstance(node[0], bytes) else node[0]
    return "" if host == "?" else host or asked
