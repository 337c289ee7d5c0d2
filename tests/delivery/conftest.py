"""A real Valkey, and real workers of the app in `delivery_app.py`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from celery import Celery
from kombu import Connection
from memory_graph_workers.delivery.broker.transport import broker_settings
from support.broker import Broker
from support.broker import broker as broker
from support.broker import producer as producer
from support.broker import wait as wait
from support.worker import Events, Worker


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what starts a worker, so that `make quick` can leave it out."""
    if "spawn_worker" in getattr(item, "fixturenames", ()):
        item.add_marker("stack")


@pytest.fixture
def redis() -> Iterator[fakeredis.FakeRedis]:
    """An empty Redis in this process's memory."""
    redis = fakeredis.FakeRedis()
    yield redis
    redis.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Broker]:
    """A second server, for dead letters that are not kept with the broker; it does not run yet."""
    (tmp_path / "archive").mkdir()
    archive = Broker(tmp_path / "archive")
    archive.stop()
    yield archive
    archive.redis.close()
    archive.stop()


@pytest.fixture
def channel(broker: Broker) -> Iterator[Any]:
    """A channel to the broker, such as a worker has."""
    settings = broker_settings(broker.url)
    with Connection(settings["broker_url"], transport=settings["broker_transport"]) as connection:
        yield connection.channel()


@pytest.fixture
def spawn_worker(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker and waits for nothing."""
    started: list[Worker] = []

    def spawn(name: str = "one", level: str = "INFO", **options: str) -> Worker:
        started.append(Worker(broker, name, tmp_path / f"{name}.log", options, level))
        return started[-1]

    yield spawn
    for worker in started:
        worker.kill()


@pytest.fixture
def start_worker(spawn_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """Starts a worker and waits until it is ready."""

    def start(name: str = "one", level: str = "INFO", **options: str) -> Worker:
        worker = spawn_worker(name, level, **options)
        worker.wait_ready()
        return worker

    return start


@pytest.fixture
def events(producer: Celery) -> Iterator[Events]:
    events = Events(producer)
    yield events
    events.stop()
