"""What wrong settings, lying services and a broker that is away get.

The rows of bad input that are proven elsewhere: a wrong payload in a producer (tests/tasks/test_parameters.py,
tests/clients/test_errors.py) and on the queue, and a plain 4xx (fleet/test_operations.py); junk, hard time limits
and killed children (test_junk.py, test_lost_work.py); answers that are too large, and a 4xx that leaves the breaker
alone (tests/clients/test_transport.py, test_breaker_requests.py); a session that vanished, has no content or is
too large, and a graph that is down (fleet/test_sweep.py, test_sweep_command.py).
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from celery import Celery
from memory_graph_workers.clients.errors import AuthenticationError, Refused, SerializationError
from support import forked
from support.fakes.http_server import FakeServer, Received, Step, answer, cut
from support.waiting import LONGEST_SECS

CELERY = [sys.executable, "-m", "celery", "-A", "memory_graph_workers.tasks.app"]
SESSION = {"session_id": "s", "model_id": "m", "started_at": "2020-01-01T00:00:00Z", "status": "active"}
ENQUEUE = """
import sys, time
from memory_graph_workers.tasks import registry
started = time.monotonic()
try:
    getattr(registry, sys.argv[1]).delay("s")
except Exception as error:
    print(type(error).__module__, type(error).__name__, time.monotonic() - started)
"""


def celery(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a Celery program that is to end by itself."""
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*CELERY, *arguments], env=plain | environ, capture_output=True, text=True, timeout=LONGEST_SECS
    )


def enqueue(url: str, operation: str) -> tuple[str, float]:
    """The error that a producer gets, and after how many seconds."""
    command = [sys.executable, "-c", ENQUEUE, operation]
    done = subprocess.run(
        command, env={**os.environ, "REDIS_URL": url}, capture_output=True, text=True, timeout=LONGEST_SECS
    )
    module, name, secs = done.stdout.split()
    return f"{module}.{name}", float(secs)


class Answers(FakeServer):
    """Answers as the last part of the path says."""

    steps: ClassVar[dict[str, Step]] = {
        "redirect": answer(302, "", {"Location": "/elsewhere"}),
        "html": answer(200, "<html></html>"),
        "shape": answer(200, {**SESSION, "session_id": "shape", "status": 5}),
        "unauthorised": answer(401, {}),
        "forbidden": answer(403, {}),
    }

    def next_step(self, received: Received) -> Step:
        step, asked = super().next_step(received), received.path.rpartition("/")[2]
        return self.steps.get(asked, answer(200, {**SESSION, "session_id": asked}) if step is self.default else step)

    def attempts(self, session_id: str) -> list[Received]:
        return [received for received in self.requests if received.path.endswith(f"/{session_id}")]


@pytest.fixture
def registry() -> Iterator[Answers]:
    with Answers() as server:
        server.default = answer(200, SESSION)
        yield server


@pytest.fixture
def log(broker: Any, registry: Answers, tmp_path: Path, until: Any) -> Iterator[Path]:
    """What a worker for this registry writes."""
    path = tmp_path / "worker.log"
    environ = {"REDIS_URL": broker.url, "REGISTRY_URL": registry.url, "VAULT_API_KEY": "k", "TASK_MAX_ATTEMPTS": "3"}
    command = ["-A", "memory_graph_workers.tasks.app", "worker", "-c", "1", "-l", "INFO"]
    worker = forked.celery(command, os.environ | environ, path)
    until(lambda: "ready." in path.read_text() or worker.poll() is not None)
    yield path
    worker.terminate()
    worker.wait(LONGEST_SECS)


class Sender:
    """Sends the task that reads a session, and asks the store for what became of it."""

    def __init__(self, app: Celery, until: Any) -> None:
        self.app, self.until = app, until

    def send(self, session_id: str) -> None:
        name = "memory_graph.registry.get_session"
        self.app.send_task(name, (session_id,), queue="memory_graph.registry", task_id=session_id)

    def result(self, session_id: str) -> Any:
        """The answer, or the error."""
        self.until(lambda: self.app.backend.get_state(session_id) in ("SUCCESS", "FAILURE"))
        return self.app.backend.get_result(session_id)


@pytest.fixture
def sender(producer: Celery, log: Path, until: Any) -> Sender:
    return Sender(producer, until)


def test_wrong_settings_refuse_the_worker_all_at_once() -> None:
    done = celery("worker", REGISTRY_URL="nonsense", ARCHIVAL_RETENTION_DAYS="-3", REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 1
    for name in ("REGISTRY_URL", "VAULT_API_KEY", "ARCHIVAL_RETENTION_DAYS"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_refuse_beat() -> None:
    done = celery("beat", ARCHIVAL_RETENTION_DAYS="-3", ARCHIVAL_INTERVAL_HOURS="-1", REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 1
    assert "ARCHIVAL_INTERVAL_HOURS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pool_that_loses_tasks_is_refused(tmp_path: Path) -> None:
    stub = tmp_path / "gevent"  # as much of it as Celery touches before it asks us
    stub.mkdir()
    (stub / "__init__.py").write_text("version_info = (24, 1, 1)\nclass Timeout(Exception): pass\n")
    (stub / "monkey.py").write_text("def patch_all(): pass\n")
    (stub / "signal.py").touch()
    done = celery("worker", "--pool", "gevent", VAULT_API_KEY="k", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "The gevent pool is refused" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("operation", ["get_session", "delete_session"])
def test_a_broker_that_is_away_is_told_within_seconds(operation: str) -> None:
    error, secs = enqueue("redis://127.0.0.1:1/0", operation)
    assert error == "kombu.exceptions.OperationalError"
    assert secs < 5


@pytest.mark.parametrize("operation", ["get_session", "delete_session"])
def test_a_broker_that_never_answers_is_told_too(operation: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error, secs = enqueue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", operation)
    assert error == "kombu.exceptions.OperationalError"
    assert secs < 15


def test_a_refusal_or_an_odd_answer_fails_at_once(sender: Sender, registry: Answers) -> None:
    wanted: dict[str, tuple[type[Exception], str]] = {
        "redirect": (Refused, "redirect"),
        "html": (SerializationError, "not JSON"),
        "shape": (SerializationError, "status"),
        "unauthorised": (AuthenticationError, "REGISTRY_API_KEY"),
        "forbidden": (AuthenticationError, "REGISTRY_API_KEY"),
    }
    for kind in wanted:
        sender.send(kind)
    for kind, (error, words) in wanted.items():
        failed = sender.result(kind)
        assert type(failed) is error
        assert words in str(failed)
        assert len(registry.attempts(kind)) == 1


def test_a_service_that_asks_for_time_gets_it(sender: Sender, registry: Answers) -> None:
    registry.answers(answer(503, {}, {"Retry-After": "2"}))
    sender.send("busy")
    assert sender.result("busy")["session_id"] == "busy"
    first, second = registry.attempts("busy")
    assert second.at - first.at >= 2


def test_a_retry_while_the_broker_is_away_is_not_lost(
    sender: Sender, registry: Answers, broker: Any, until: Any
) -> None:
    def stop_the_broker(connection: Any) -> None:
        broker.stop()
        cut(connection)

    registry.answers(stop_the_broker)
    sender.send("patient")
    until(lambda: broker.process.poll() is not None)
    time.sleep(3)
    broker.start()
    until(lambda: len(registry.attempts("patient")) == 2)
    until(lambda: not broker.redis.exists("memory_graph.registry", "unacked"))


def test_the_log_is_one_json_object_a_line(sender: Sender, log: Path) -> None:
    for kind in ("fine", "html"):
        sender.send(kind)
        sender.result(kind)
    lines = log.read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("{"))
    events = [json.loads(line) for line in lines[first:]]
    assert {"route", "status", "request_id"} <= set().union(*events)
