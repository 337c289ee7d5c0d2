"""A service goes down under load: its queues wait in Redis, the others go on, and nothing is lost, spent or doubled."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.cli.stack.servers import launch, wait_for_child, wait_ready
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.breaker import RedisStorage
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.delivery.dead_letters.store import DeadLetters
from memory_graph_workers.delivery.held_queues.holds import HoldStore
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.tasks.config import BrokerConfig
from support.fakes.http_server import JSON_HEADERS, FakeServer, answer
from support.forked import ForkedChildren, mgw
from support.our_app import KEYS
from support.servers import PREFIX
from support.stores import Store, lose, store_for

REGISTRY, VAULT = "memory_graph.registry", "memory_graph.vault"
ASKED, PERMITS, LEADER = KEYS.asked("registry"), KEYS.permits(REGISTRY), KEYS.leader
WAITING = {queue: f"{PREFIX}{queue}" for queue in (REGISTRY, VAULT)}  # the lists of Redis
TRACK, REPORTS = "memory_graph.registry.track_usage", 300


class Outage:
    """A stack whose parts can be taken away, and a producer that sends by name."""

    def __init__(self, stack: Stack, worker: Child, store: Store | None) -> None:
        self.stack, self.worker, self._store = stack, worker, store
        found = BrokerConfig.from_env(stack.environ)
        self.redis = connect(found.state, timeout_secs=10, connect_timeout_secs=5)
        self.dead, self.holds = DeadLetters(self.redis, KEYS), HoldStore(self.redis, KEYS)
        self.app = Celery("producer", set_as_current=False)
        self.app.conf.update(broker_settings(found.broker, found.prefix))

    def take_away(self, name: str = "registry") -> None:
        self.stack.children.stop(self.stack._running[name].child)

    def bring_back(self, name: str = "registry") -> None:
        stopped = self.stack._running[name]
        running = launch(self.stack.children, stopped.server, stopped.port)
        self.stack._running[name] = running
        wait_ready(running)

    def lose_broker(self) -> None:
        """Let the server that has the messages end, and come back or be replaced."""
        if self._store:
            lose(self._store)
            return
        self.take_away("broker")
        self.bring_back("broker")

    def start_second_worker(self) -> None:
        options = ["--pool", "prefork", "-c", "1", "-n", "second@%h", "--loglevel", "INFO"]
        second = self.stack._celery("worker", "worker", *options)  # in the log of the first
        wait_for_child(second, lambda: len(self.app.control.ping(timeout=1)) == 2)

    def report(self, session_id: str, number: int, **options: Any) -> None:
        report = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": number}
        self.app.send_task(TRACK, kwargs={"report": report}, queue=REGISTRY, **options)

    def waiting(self) -> set[str]:
        return {json.loads(item)["headers"]["id"] for item in self.redis.lrange(WAITING[REGISTRY], 0, -1)}

    def is_empty(self) -> bool:
        return not self.redis.exists(KEYS.unacked, *WAITING.values())


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    (tmp_path / "logs").mkdir()
    with ForkedChildren(tmp_path / "logs") as children:
        stack = Stack(children, tmp_path, {"TASK_MAX_ATTEMPTS": "8", "VISIBILITY_TIMEOUT_SECS": "15"})
        stack.start_services()
        with store_for(stack, tmp_path / "store") as store:
            outage = Outage(stack, stack.start_worker(), store)
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
    return json.loads(mgw("queues", "--json", environ=outage.stack.child_environ()).stdout)["queues"]


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
    until(lambda: outage.holds.get("registry"))
    until(lambda: outage.redis.llen(WAITING[REGISTRY]) >= REPORTS - 10)
    time.sleep(4)  # countdowns of two seconds are over, and back on the queue
    waiting = outage.redis.llen(WAITING[REGISTRY])
    time.sleep(6)
    assert outage.redis.llen(WAITING[REGISTRY]) >= waiting >= REPORTS - 10
    assert outage.redis.zcard(KEYS.unacked_index) <= 8
    shown = {row["queue"]: row for row in told(outage)}
    assert (shown[REGISTRY]["waiting"] >= waiting, shown[REGISTRY]["why"]) == (True, "it is down")
    assert shown["memory_graph.archival"]["held_for"] == "registry"
    assert shown[VAULT]["held_for"] == shown["memory_graph.health"]["held_for"] is None
    # The vault's queue runs on.
    gone = {"archive_id": "none"}
    sent = [outage.app.send_task("memory_graph.vault.delete_archive", kwargs=gone, queue=VAULT) for _ in range(50)]
    until(lambda: not outage.redis.llen(WAITING[VAULT]))
    assert len(sent) == 50
    outage.bring_back()
    until(lambda: outage.holds.get("registry") is None)
    until(outage.is_empty)
    assert total(outage, session_id) == (REPORTS, sum(range(REPORTS)))
    assert outage.dead.count() == 0


def test_a_worker_that_starts_in_an_outage_takes_nothing(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.redis.set(ASKED, "1", px=40_000)
    until(lambda: outage.redis.get(PERMITS) == b"-1")
    outage.report(session_id, 1)
    outage.start_second_worker()
    assert outage.redis.llen(WAITING[REGISTRY]) == 1
    until(lambda: total(outage, session_id) == (1, 1))


def test_a_hold_outlives_its_leader_and_the_broker(outage: Outage, session_id: str, until: Callable[..., None]) -> None:
    outage.start_second_worker()
    leader = outage.redis.get(LEADER)
    for number in range(20):
        outage.report(session_id, number, countdown=25)  # in the workers' hands when the outage begins
    until(lambda: not outage.redis.llen(WAITING[REGISTRY]))
    outage.take_away()
    for number in range(20, 60):
        outage.report(session_id, number)
    until(lambda: outage.holds.get("registry"))
    os.killpg(outage.worker.process.pid, signal.SIGKILL)
    outage.lose_broker()
    until(lambda: outage.redis.get(LEADER) not in (None, leader))
    # Countdowns that were over, and what the dead one had, are back; what it had just sent again may be there twice.
    until(lambda: len(outage.waiting()) == 60 and not outage.redis.exists(KEYS.unacked))
    until(lambda: outage.redis.get(PERMITS) == b"-1")  # a replica may not have had it when it became the primary
    outage.bring_back()
    until(lambda: outage.holds.get("registry") is None)
    until(outage.is_empty)
    assert total(outage, session_id) == (60, sum(range(60)))
    assert outage.dead.count() == 0


def test_a_long_wait_that_a_service_asks_for_holds_it_and_spends_no_attempt(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.take_away()
    with FakeServer(port=outage.stack.port("registry")) as busy:
        busy.default = answer(503, {}, {**JSON_HEADERS, "Retry-After": "5000", "Connection": "close"})
        outage.report(session_id, 7)
        until(lambda: busy.requests)
        until(lambda: outage.redis.get(PERMITS) == b"-1")
        until(lambda: outage.redis.llen(WAITING[REGISTRY]) == 1 and not outage.redis.exists(KEYS.unacked))
        assert [(request.method, request.path) for request in busy.requests] == [("GET", "/health")]
    kept = json.loads(outage.redis.lindex(WAITING[REGISTRY], 0))
    assert kept["headers"]["retries"] == 0
    assert 800_000 < outage.redis.pttl(ASKED) <= 900_000  # it asked for more, and is tried after 15 minutes
    assert {row["queue"]: row["why"] for row in told(outage)}[REGISTRY] == "it asked to wait"
    outage.bring_back()
    assert outage.redis.llen(WAITING[REGISTRY]) == 1
    outage.redis.delete(ASKED)  # the wait is over
    until(outage.is_empty)
    assert total(outage, session_id) == (1, 7)


def test_tasks_whose_countdown_is_over_come_through_a_trial(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.redis.set(ASKED, "1", px=60_000)
    until(lambda: outage.redis.get(PERMITS) == b"-1")
    for number in range(10):
        outage.report(session_id, number, eta=now() - timedelta(seconds=1))
    RedisStorage(outage.redis, "registry", key_prefix=PREFIX).state = "half-open"
    outage.redis.delete(ASKED)
    until(outage.is_empty)
    assert total(outage, session_id) == (10, 45)


def spent(outage: Outage) -> int:
    """The attempts that the waiting tasks have spent."""
    return sum(json.loads(item)["headers"]["retries"] for item in outage.redis.lrange(WAITING[REGISTRY], 0, -1))


def all_wait(outage: Outage, count: int) -> bool:
    return len(outage.waiting()) == count and not outage.redis.exists(KEYS.unacked)


def test_what_a_person_holds_outlives_the_end_of_the_outage_and_the_workers(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.take_away()
    for number in range(20):
        outage.report(session_id, number)
    until(lambda: outage.holds.get("registry"))
    outage.holds.hold_by_hand(REGISTRY, "alice", "it moves")
    until(lambda: all_wait(outage, 20))
    outage.bring_back()
    RedisStorage(outage.redis, "registry", key_prefix=PREFIX).state = "closed"  # by what another queue needs of it
    until(lambda: outage.holds.get("registry") is None)
    outage.start_second_worker()
    os.killpg(outage.worker.process.pid, signal.SIGKILL)
    until(lambda: outage.worker.log.read_text().count("is held by alice: it moves") == 2)  # the log of both workers
    assert (outage.redis.get(PERMITS), len(outage.waiting())) == (b"-1", 20)
    assert {row["queue"]: row["why"] for row in told(outage)}[REGISTRY] == "alice: it moves"
    outage.holds.leave_to_workers(REGISTRY)
    until(outage.is_empty)
    assert total(outage, session_id) == (20, sum(range(20)))
    assert outage.dead.count() == 0


def test_what_a_person_keeps_free_is_taken_while_the_breaker_is_open_and_spends_no_attempts(
    outage: Outage, session_id: str, until: Callable[..., None]
) -> None:
    outage.take_away()
    for number in range(20):
        outage.report(session_id, number)
    until(lambda: outage.redis.get(PERMITS) == b"-1" and all_wait(outage, 20))
    before = spent(outage)
    outage.holds.release_by_hand(REGISTRY, "bob", "its breaker is wrong")
    until(lambda: outage.redis.zcard(KEYS.unacked_index) >= 10)
    time.sleep(3)  # each waits two seconds, and meets the open breaker again
    assert outage.redis.get(PERMITS) is None
    assert {row["queue"]: row["held_for"] for row in told(outage)}[REGISTRY] is None
    outage.holds.leave_to_workers(REGISTRY)
    until(lambda: outage.redis.get(PERMITS) == b"-1" and all_wait(outage, 20))
    assert spent(outage) <= before + 2  # on a slow machine a trial may have been due meanwhile
    outage.bring_back()
    until(outage.is_empty)
    assert total(outage, session_id) == (20, sum(range(20)))
    assert outage.dead.count() == 0
