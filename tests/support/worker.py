"""Real worker processes of an app in `tests/delivery`, and what they write and tell."""

import contextlib
import os
import signal
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from subprocess import TimeoutExpired

from celery import Celery
from support.broker import Broker
from support.forked import celery
from support.waiting import LONGEST_SECS, until

TESTS = Path(__file__).parent.parent


class Worker:
    """One `celery worker` process of an app, and what it wrote."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        log: Path,
        options: Mapping[str, str] | None = None,
        level: str = "INFO",
        app: str = "delivery.delivery_app",
        folder: Path = TESTS,
        queues: str = "work",
    ) -> None:
        self.log = log
        log.unlink(missing_ok=True)
        command = ["-A", app, "worker", "--pool", "prefork", "-c", "2", "-l", level, "-Q", queues, "-n", name, "-E"]
        environ = {**os.environ, "DELIVERY_URL": broker.url, **(options or {})}
        self.process = celery([*command, "--without-mingle", "--without-gossip"], environ, log, folder)

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self) -> None:
        """Wait until it takes messages; fail with what it wrote if it ends."""
        until(lambda: "ready." in self.text or not self.is_alive)
        assert self.is_alive, self.text

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
            except TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def ready_worker(broker: Broker, log: Path, name: str = "one") -> Generator[Worker]:
    """A worker that takes messages now, killed at the end."""
    worker = Worker(broker, name, log)
    try:
        worker.wait_ready()
        yield worker
    finally:
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
