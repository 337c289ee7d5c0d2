"""One Valkey for all tests of a file, empty when each begins."""

from collections.abc import Iterator

import pytest
from support.broker import Broker


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("valkey"))
    yield broker
    broker.redis.close()
    broker.stop()


@pytest.fixture
def broker(running: Broker) -> Broker:
    running.redis.flushall()
    return running
