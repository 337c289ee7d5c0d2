"""Redis as the fleet has it: a primary, its replica, and three sentinels."""

from collections import Counter
from contextlib import suppress
from typing import Any

from memory_graph_workers.cli.stack.broker import find_server
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from .programs import START_SECS, Programs
from .topology import ADDRESSES, SERVERS, WORKERS

NAME = "fleet"  # as the sentinels call it
DOWN_AFTER_MS = 2000
_PORT, _SENTINEL_PORT = 6379, 26379
_SERVER = f"port {_PORT}\nbind 0.0.0.0\nprotected-mode no\n"
_DATA = 'save ""\nappendonly yes\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n'
_SENTINEL = (
    f"port {_SENTINEL_PORT}\nbind 0.0.0.0\nprotected-mode no\n"
    f"sentinel monitor {NAME} {ADDRESSES[SERVERS[0]]} {_PORT} 2\n"
    f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
    f"sentinel failover-timeout {NAME} 10000\n"
)


class Watched:
    """Both servers by the name of their machine, and the sentinels."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.servers = {name: _client(name, _PORT) for name in SERVERS}
        self.sentinels = [_client(name, _SENTINEL_PORT) for name in WORKERS]

    def start(self) -> None:
        """Start all of them, and wait until the sentinels know the servers and each other."""
        for name in SERVERS:
            self.start_server(name)
        for host in WORKERS:
            self._run(host, f"sentinel-{host}", _SENTINEL, "--sentinel")
        everybody = (*self.servers.values(), *self.sentinels)
        self._programs.wait(lambda: all(map(_answers, everybody)), START_SECS, "Redis and its sentinels serve")
        for one in self.sentinels:  # they look around every ten seconds, unless told otherwise
            one.execute_command("SENTINEL DEBUG", "info-period", 1000, "publish-period", 300)
        self.wait_whole()

    def start_server(self, name: str) -> None:
        """Start a server, or start it again: what it was told since its first start is in its file."""
        follows = "" if name == SERVERS[0] else f"replicaof {ADDRESSES[SERVERS[0]]} {_PORT}\n"
        self._run(name, name, _SERVER + _DATA + follows)

    def _run(self, host: str, name: str, told: str, *options: str) -> None:
        folder = self._programs.home / name
        if not folder.exists():
            folder.mkdir()
            (folder / "conf").write_text(f"{told}dir {folder}\n")
        self._programs.start(host, name, [find_server(), str(folder / "conf"), *options], {})

    @property
    def sentinel_url(self) -> str:
        """The address of whichever server is the primary."""
        return f"redis+sentinel://{','.join(f'{ADDRESSES[name]}:{_SENTINEL_PORT}' for name in WORKERS)}/{NAME}/0"

    def url(self, name: str) -> str:
        """The address of one server."""
        return f"redis://{ADDRESSES[name]}:{_PORT}/0"

    @property
    def primary(self) -> str:
        """The machine of the server that at least two sentinels call the primary.

        Raises: RedisError if there is none.
        """
        named = Counter(address for asked in self.sentinels for address in _named_by(asked))
        for name in SERVERS:
            if named[ADDRESSES[name]] > len(self.sentinels) / 2:
                return name
        raise RedisError(f"sentinels name {dict(named)}")

    @property
    def redis(self) -> Redis:
        """A client of that server."""
        return self.servers[self.primary]

    def is_primary(self, name: str) -> bool:
        """Whether most sentinels call this server the primary, and it agrees."""
        with suppress(RedisError):
            return self.primary == name and _role(self.servers[name])["role"] == "master"
        return False

    def wait_whole(self) -> str:
        """Wait until a replica follows the primary and nobody is thought down; returns the primary."""
        self._programs.wait(self._is_whole, START_SECS, "a primary with a replica that all sentinels know")
        return self.primary

    def _is_whole(self) -> bool:
        with suppress(RedisError, KeyError):
            known = [asked.sentinel_master(NAME) for asked in self.sentinels]
            replicas = [list(asked.sentinel_slaves(NAME)) for asked in self.sentinels]
            agree = all(one["num-other-sentinels"] == 2 and one["flags"] == "master" for one in known)
            follow = all([few["flags"] for few in each] == ["slave"] for each in replicas)
            link = _role(self.servers[other(self.primary)]).get("master_link_status")
            return agree and follow and link == "up" and self.is_primary(self.primary)
        return False

    def begins_failover(self, *how: str) -> bool:
        """Ask a sentinel for a planned failover; False where it sees no replica that is good enough yet."""
        with suppress(ResponseError):
            return bool(self.sentinels[0].execute_command("SENTINEL FAILOVER", NAME, *how))
        return False


def other(server: str) -> str:
    """The other server."""
    return next(name for name in SERVERS if name != server)


def _client(machine: str, port: int) -> Redis:
    return Redis(
        host=ADDRESSES[machine], port=port, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def _named_by(sentinel: Redis) -> list[str]:
    with suppress(RedisError):
        return [sentinel.sentinel_master(NAME)["ip"]]
    return []


def _role(server: Redis) -> dict[str, Any]:
    found: Any = server.info("replication")
    return found


def _answers(redis: Redis) -> bool:
    with suppress(RedisError):
        return bool(redis.ping())
    return False
