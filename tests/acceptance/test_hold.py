"""A service goes down under load: its queues wait in Redis, the others go on, and nothing is lost, spent or doubled."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from memory_graph_workers.cli.processes import Children
from memory_graph_workers.cli.servers import launch, wait_ready
from memory_graph_workers.cli.stack import Stack
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.tasks.dead_letters import DeadLetters
from memory_graph_workers.tasks.hold import Holds
from redis import Redis

REGISTRY, VAULT = "memory_graph.registry", "memory_graph.vault"
TRACK, REPORTS = "memory_graph.registry.track_usage", 300


class Outage:
    """A stack whose Registry can be taken away, and a producer that sends by name."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis = Redis.from_url(stack.environ["REDIS_URL"])
        self.dead, self.holds = DeadLetters(self.redis), Holds(self.redis)
        self.app = Celery("producer", broker=stack.environ["REDIS_URL"], set_as_current=False)

    def take_away(self) -> None:
        self.stopped = self.stack._running["registry"]
        self.stack.children.stop(self.stopped.child)

    def bring_back(self) -> None:
        running = launch(self.stack.children, self.stopped.server, self.stopped.port)
        self.stack._running["registry"] = running
        wait_ready(running)

    def report(self, session_id: str, number: int) -> None:
        report = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": number}
        self.app.send_task(TRACK, kwargs={"report": report}, queue=REGISTRY)

    def is_empty(self) -> bool:
        return not self.redis.exists("unacked", REGISTRY, VAULT)


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    (tmp_path / "logs").mkdir()
    with Children(tmp_path / "logs") as children:
        stack = Stack(children, tmp_path, {"TASK_MAX_ATTEMPTS": "8"})
        stack.start_services()
        stack.start_worker()
        outage = Outage(stack)
        yield outage
        outage.app.close()
        outage.redis.close()


@pytest.fixture
def session_id(outage: Outage) -> str:
    made = f"s-{uuid4()}"
    with RegistryClient(RegistryConfig.from_env(outage.stack.environ)) as registry:
        registry.register_session(SessionRegistration(made, "m"))
    return made


def told(outage: Outage) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "memory_graph_workers.cli", "queues", "--json"]
    environ = outage.stack.child_environ()
    return json.loads(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)["queues"]


def total(outage: Outage, session_id: str) -> tuple[int, int]:
    with RegistryClient(RegistryConfig.from_env(outage.stack.environ)) as registry:
        usage = registry.get_session_usage(session_id)
    return usage.total_responses, usage.total_completion_tokens


def test_an_outage_costs_no_report_and_no_attempts_and_no_other_queue(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.take_away()
    for number in range(REPORTS):
        outage.report(session_id, number)
    until(lambda: outage.holds.get("registry"), 30)
    time.sleep(4)  # countdowns of two seconds are over, and back on the queue
    waiting = outage.redis.llen(REGISTRY)
    time.sleep(6)
    assert outage.redis.llen(REGISTRY) == waiting >= REPORTS - 10
    assert outage.redis.zcard("unacked_index") <= 8
    shown = {row["queue"]: row for row in told(outage)}
    assert (shown[REGISTRY]["waiting"], shown[REGISTRY]["why"]) == (waiting, "it is down")
    assert shown["memory_graph.archival"]["held_for"] == "registry"
    assert shown[VAULT]["held_for"] == shown["memory_graph.health"]["held_for"] == ""
    # The vault's queue runs on.
    gone = {"archive_id": "none"}
    sent = [outage.app.send_task("memory_graph.vault.delete_archive", kwargs=gone, queue=VAULT) for _ in range(50)]
    until(lambda: not outage.redis.llen(VAULT), 20)
    assert len(sent) == 50
    outage.bring_back()
    until(lambda: outage.holds.get("registry") is None, 90)
    until(outage.is_empty, 60)
    assert total(outage, session_id) == (REPORTS, sum(range(REPORTS)))
    assert outage.dead.count() == 0


def test_a_worker_that_starts_in_an_outage_takes_nothing(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.redis.set("memory_graph:hold:asked:registry", "1", px=25_000)
    until(lambda: outage.redis.get(f"memory_graph:hold:queue:{REGISTRY}") == b"0", 10)
    outage.report(session_id, 1)
    second = outage.stack._celery("worker", "--pool", "prefork", "-c", "1", "-n", "second@%h", "--loglevel", "INFO")
    until(lambda: b"ready" in second.log.read_bytes(), 30)
    assert outage.redis.llen(REGISTRY) == 1
    until(lambda: total(outage, session_id) == (1, 1), 40)
