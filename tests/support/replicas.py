"""A replica of a test's broker, which starts when the test wants it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.ports import free_port
from support.broker import Broker, answers
from support.sentinels import Server
from support.waiting import until


class Replica:
    """Another Valkey that follows the broker."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.server: Server | None = None

    def start(self) -> None:
        self.broker.redis.config_set("repl-diskless-sync-delay", 0)
        of = f"127.0.0.1 {self.broker.port}"
        server = Server(self.folder, free_port(), "--bind", "127.0.0.1", "--save", "", "--replicaof", of)
        self.server = server
        until(lambda: answers(server.redis) and server.redis.info("replication")["master_link_status"] == "up")
        until(lambda: self.broker.redis.info("replication").get("slave0", {}).get("state") == "online")

    def signal(self, number: int) -> None:
        """Stop it for a while, or let it go on."""
        assert self.server
        self.server.process.send_signal(number)

    def stop(self) -> None:
        if self.server:
            self.server.stop()


@pytest.fixture
def replica(broker: Broker, tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(broker, tmp_path / "replica")
    yield replica
    replica.stop()
