"""A real cluster: two nodes that share the slots, and a replica of the one that has a fleet's keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.ports import free_port
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError
from support.broker import answers
from support.sentinels import Server
from support.waiting import until

SLOTS = 16384


class Cluster:
    """The nodes, and an address that names two of them."""

    def __init__(self, folder: Path, tag: str) -> None:
        self.slot = key_slot(f"{{{tag}}}".encode())
        self.nodes = [self._node(folder / name) for name in ("low", "high", "replica")]
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes[:2])}"

    def begin(self) -> None:
        """Let the nodes know each other, and two of them share the slots."""
        low, high, replica = self.nodes
        until(lambda: all(answers(node.redis) for node in self.nodes))
        for node in (high, replica):
            low.redis.execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.bus)
        low.redis.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
        high.redis.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
        until(lambda: all(_knows(node, 3) for node in self.nodes))
        owner = low if self.slot < SLOTS // 2 else high
        until(lambda: _follows(replica, owner))
        until(lambda: replica.redis.info("replication").get("master_link_status") == "up")
        until(lambda: all(node.redis.info("cluster")["cluster_enabled"] and _is_fine(node) for node in self.nodes))

    def _node(self, folder: Path) -> Server:
        bus = free_port()
        options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000")
        data = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0")
        node = Server(folder, free_port(), *options, *data)
        node.bus = bus
        return node

    @property
    def owner(self) -> Server:
        """The node that has the fleet's keys now."""
        found: list[Server] = []
        until(lambda: found.extend(node for node in self.nodes if self._owns(node)) or found)
        return found[0]

    @property
    def redis(self) -> Redis:
        """A client of that node."""
        return self.owner.redis

    def _owns(self, node: Server) -> bool:
        if not answers(node.redis) or node.redis.info("replication")["role"] != "master":
            return False
        return self._named(node) == node.port

    def fail_over(self) -> None:
        """Let the replica take the slots, as before a restart of the owner's machine."""
        old, new = self.owner, self.nodes[-1]
        new.redis.execute_command("CLUSTER FAILOVER")
        until(lambda: self._owns(new) and not self._owns(old))
        self._agree(new)

    def lose_owner(self) -> None:
        """Kill the owner, and let the replica take the slots."""
        old, new = self.owner, self.nodes[-1]
        old.stop()
        new.redis.execute_command("CLUSTER FAILOVER", "TAKEOVER")
        until(lambda: self._owns(new))
        self._agree(new, besides=old)

    def _agree(self, owner: Server, besides: Server | None = None) -> None:
        """Wait until every node but one that is lost names the owner: a task that is told of another one fails."""
        asked = [node for node in self.nodes if node is not besides]
        until(lambda: all(self._named(node) == owner.port for node in asked))

    def _named(self, node: Server) -> object:
        return next((row[2][1] for row in slots(node) if row[0] <= self.slot <= row[1]), None)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _follows(replica: Server, owner: Server) -> bool:
    try:
        return bool(replica.redis.execute_command("CLUSTER REPLICATE", owner.redis.execute_command("CLUSTER MYID")))
    except ResponseError:  # it has not heard of the owner yet
        return False


def slots(node: Server) -> list[Any]:
    found: list[Any] = node.redis.execute_command("CLUSTER SLOTS")
    return found


def _knows(node: Server, count: int) -> bool:
    return f"cluster_known_nodes:{count}" in _said(node)


def _is_fine(node: Server) -> bool:
    return "cluster_state:ok" in _said(node)


def _said(node: Server) -> str:
    said = node.redis.execute_command("CLUSTER INFO")
    return said.decode() if isinstance(said, bytes) else "\n".join(f"{name}:{value}" for name, value in said.items())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, "delivery")
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.stop()
