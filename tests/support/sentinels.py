"""A real primary with a replica, and three sentinels that watch them, started and stopped by a test."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.ports import free_port
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from support.broker import answers
from support.servers import program
from support.waiting import LONGEST_SECS, until

PRIMARY = "orders"  # as the sentinels call it
DOWN_AFTER_MS = 1000


class Server:
    """One Valkey, as a server of data or as a sentinel."""

    bus = 0  # of a cluster's node: the port where the others reach it

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        folder.mkdir()
        self.port = port
        self.redis = Redis(port=port)
        command = [program(), *options, "--port", str(port), "--dir", str(folder)]
        self._command = [*command, "--logfile", str(folder / "log")]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)

    def stop(self) -> None:
        self.redis.close()
        self.process.kill()
        self.process.wait(LONGEST_SECS)


def sentinels(folder: Path, primary: int, password: str = "") -> list[Server]:
    """Start three sentinels that watch a primary by its port."""
    return [_sentinel(folder, number, primary, password) for number in range(3)]


def address(asked: list[Server], password: str = "") -> str:
    """What everybody is told who finds the primary through these sentinels."""
    login = f":{password}@" if password else ""
    return f"redis+sentinel://{login}{','.join(f'127.0.0.1:{one.port}' for one in asked)}/{PRIMARY}/0"


def _sentinel(folder: Path, number: int, primary: int, password: str) -> Server:
    config = folder / f"sentinel-{number}.conf"
    config.write_text(
        f"sentinel monitor {PRIMARY} 127.0.0.1 {primary} 2\n"
        f"sentinel down-after-milliseconds {PRIMARY} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {PRIMARY} 10000\n"
        + (f"sentinel auth-pass {PRIMARY} {password}\n" if password else "")
    )
    return Server(folder / f"sentinel-{number}", free_port(), str(config), "--sentinel", "--bind", "127.0.0.1")


class Watched:
    """The servers, and the address by which everybody finds the one that is the primary now."""

    def __init__(self, folder: Path) -> None:
        first = free_port()
        data = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0")
        self.servers = [Server(folder / "one", first, *data)]
        replicates = ("--replicaof", f"127.0.0.1 {first}")
        self.servers.append(Server(folder / "two", free_port(), *data, *replicates))
        self.sentinels = sentinels(folder, first)
        self.url = address(self.sentinels)

    def begin(self) -> None:
        """Wait until the sentinels know each other and the replica."""
        until(lambda: all(answers(asked.redis) for asked in self.sentinels))
        for asked in self.sentinels:  # they look around every ten seconds, unless told otherwise
            asked.redis.execute_command("SENTINEL DEBUG", "info-period", 1000, "publish-period", 300)
        until(self._is_watched)

    def _is_watched(self) -> bool:
        """Whether each sentinel knows the others and a replica that follows."""
        if not all(answers(server.redis) for server in (*self.servers, *self.sentinels)):
            return False
        known = [asked.redis.sentinel_master(PRIMARY) for asked in self.sentinels]
        follows = self.servers[1].redis.info()["master_link_status"] == "up"
        return follows and all(each["num-other-sentinels"] == 2 and each["num-slaves"] == 1 for each in known)

    @property
    def primary(self) -> Server:
        """The server that takes writes now."""
        found: list[Server] = []
        until(lambda: found.extend(filter(_is_primary, self.servers)) or found)
        return found[0]

    @property
    def redis(self) -> Redis:
        """A client of that server."""
        return self.primary.redis

    def fail_over(self) -> None:
        """Make the replica the primary, as before a restart of its machine."""
        old = self.primary
        (new,) = (server for server in self.servers if server is not old)
        until(lambda: _is_primary(new) or self._begins_failover())
        until(lambda: not _is_primary(old))
        self._agree(new)

    def lose_primary(self) -> None:
        """Kill the primary, and wait until the sentinels have made the replica the primary."""
        old = self.primary
        (new,) = (server for server in self.servers if server is not old)
        old.stop()
        self._agree(new)

    def bring_back(self) -> None:
        """Start the server that was killed; the sentinels make it a replica."""
        lost = next(server for server in self.servers if server.process.poll() is not None)
        (new,) = (server for server in self.servers if server is not lost)
        self._agree(new)
        lost.start()
        until(lambda: self.primary.redis.info("replication").get("slave0", {}).get("state") == "online")

    def _agree(self, primary: Server) -> None:
        until(lambda: {asked.redis.sentinel_master(PRIMARY)["port"] for asked in self.sentinels} == {primary.port})

    def _begins_failover(self) -> None:
        with contextlib.suppress(ResponseError):  # it is under way, or the replica is not thought good enough yet
            self.sentinels[0].redis.execute_command("SENTINEL FAILOVER", PRIMARY)

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()


def _is_primary(server: Server) -> bool:
    with contextlib.suppress(RedisError):
        return bool(server.redis.info("replication")["role"] == "master")
    return False


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    try:
        watched.begin()
        yield watched
    finally:
        watched.stop()
