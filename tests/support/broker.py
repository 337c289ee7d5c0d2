"""A real Valkey, started and stopped by a test."""

import gc
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.delivery import DeadLetters, Keys
from memory_graph_workers.delivery.broker.transport import broker_settings
from redis import Redis
from redis.exceptions import RedisError
from support.servers import program
from support.waiting import LONGEST_SECS, until

KEYS = Keys("delivery", "unacked")  # of the app that tests of delivery run


class Broker:
    """A Valkey server, or the Redis of `ACCEPTANCE_ON`, on a free loopback port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.redis = Redis.from_url(self.url, socket_timeout=LONGEST_SECS)  # a busy machine may need long for a script
        self.dead = DeadLetters(self.redis, KEYS)
        self.start()

    def start(self) -> None:
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            str(self.folder / "socket"),
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        self.process = subprocess.Popen(
            [program(), *options, "--dir", str(self.folder), "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: answers(self.redis))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LONGEST_SECS)


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


@pytest.fixture(name="until")
def wait() -> Callable[[Callable[[], object]], None]:
    return until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.redis.close()
    broker.stop()


@pytest.fixture
def producer(broker: Broker) -> Iterator[Celery]:
    app = Celery("producer", set_as_current=False)
    app.conf.update(broker_settings(broker.url), result_backend=broker.url, task_default_queue="work")
    yield app
    close(app)


def close(app: Celery) -> None:
    """Close what an app has opened, also for results, which Celery leaves to the garbage collector."""
    gc.collect()  # results let go of their subscriptions while the store is still there
    app.backend.result_consumer.stop()
    app.close()
    app.backend.client.connection_pool.disconnect()
