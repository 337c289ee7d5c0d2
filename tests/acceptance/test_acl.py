"""The users of docs/redis.md, as that page makes them: each part does its work, and what it may not do is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chord
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.delivery import install
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError
from support.broker import Broker, close
from support.console import Visitor
from support.forked import ForkedChildren
from support.scraping import scrape
from support.using_stack import flower, metrics, registers, says
from support.waiting import LONGEST_SECS, until
from support.worker import Worker

pytestmark = pytest.mark.stack

PAGE = (Path(__file__).parent.parent.parent / "docs" / "redis.md").read_text()
USERS = re.findall(r"^ACL SETUSER (.*)$", PAGE, re.MULTILINE)
FIRST, SECOND = "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a01", "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a02"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {"KEY_PREFIX": "blue:", "TASK_MAX_ATTEMPTS": "1"})
        stack.start_services()
        yield stack


@pytest.fixture
def admin(stack: Stack) -> Iterator[Redis]:
    with Redis.from_url(stack.environ["REDIS_URL"]) as admin:
        for user in USERS:
            admin.execute_command("ACL SETUSER", *user.split())
        yield admin


def become(stack: Stack, user: str) -> None:
    """Start what follows as this user."""
    stack.environ["REDIS_URL"] = f"redis://{user}:PASSWORD@{LOOPBACK}:{stack.port('broker')}/0"


def test_each_part_does_its_work_as_a_user_of_its_own(stack: Stack, admin: Redis) -> None:
    become(stack, "worker")
    stack.start_worker()
    stack.start_beat()
    become(stack, "flower")
    stack.start_flower()
    become(stack, "producer")
    assert registers(stack, FIRST)
    admin.lpush("blue:memory_graph.vault", "no message")
    become(stack, "operator")
    until(lambda: says(stack, "dead", "list", "--json")["count"] == 1)
    says(stack, "sweep", "--now")
    says(stack, "queues")
    says(stack, "queues", "hold", "memory_graph.vault", "--reason", "x", "--json")
    says(stack, "queues", "release", "memory_graph.vault", "--json")
    says(stack, "dead", "purge", "--all", "--yes")
    until(lambda: admin.exists("blue:memory_graph:beat::lock"))
    says(stack, "health", "beat")
    says(stack, "health", "worker", "--name", "worker@local")
    says(stack, "doctor")
    until(lambda: "worker@local" in flower(stack, "/api/workers?refresh=1"))
    assert "memory_graph.registry" in flower(stack, "/broker")
    looks_at_the_console(stack)
    become(stack, "console")
    stack.start_flower()
    acts_in_the_console(stack)
    become(stack, "metrics")
    with metrics(stack) as port:
        until(lambda: scrape(port)[("mgw_events_connected",)] == 1)
        become(stack, "producer")
        assert registers(stack, SECOND)
        until(lambda: scrape(port)["mgw_task_runs_total", "succeeded", "memory_graph.registry.register_session"] == 1)
        found = scrape(port)
    assert [key for key, value in found.items() if key[0] == "mgw_part_readable" and not value] == []
    assert (found[("mgw_workers",)], found[("mgw_beat_lock_held",)], found[("mgw_beats",)]) == (1, 1, 1)
    refused: Any = admin.execute_command("ACL LOG")
    assert refused == []


def looks_at_the_console(stack: Stack) -> None:
    """Each page answers, and the doctor's findings hold none that Redis refused."""
    for path in ("/queues", "/sweeps", "/dead-letters"):
        assert "Nothing was read before." not in flower(stack, path)
    until(lambda: "Checked at" in flower(stack, "/doctor"))
    examined = flower(stack, "/doctor")
    assert "Redis does not serve it" not in examined
    assert "permissions" not in examined
    until(lambda: "mgw_events_connected 1.0" in flower(stack, "/metrics"))


def acts_in_the_console(stack: Stack) -> None:
    looks_at_the_console(stack)
    visitor = Visitor(stack.port("flower"), stack.directory / "logs" / "flower.log", f"mgw:{stack.keys.flower}")
    visitor.get("/queues")
    visitor.did("/queues", action="hold", queue="memory_graph.vault", reason="x")
    visitor.did("/queues", action="auto", queue="memory_graph.vault")
    visitor.did("/queues", action="try", service="vault")
    visitor.did("/sweeps", action="pause")
    visitor.did("/sweeps", action="resume")


@pytest.mark.parametrize("user", ["producer", "worker", "operator", "console"])
def test_who_sends_may_wait_for_replicas(broker: Broker, user: str) -> None:
    broker.redis.execute_command("ACL SETUSER", *next(one.split() for one in USERS if one.startswith(user)))
    with Redis(port=broker.port, username=user, password="PASSWORD") as client:
        assert client.execute_command("WAIT", 0, 1) == 0


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("producer", ("HGETALL", "blue:unacked")),
        ("producer", ("RPOP", "blue:memory_graph.vault")),
        ("producer", ("LPUSH", "green:memory_graph.vault", "x")),
        ("worker", ("KEYS", "*")),
        ("worker", ("FLUSHALL",)),
        ("worker", ("GET", "green:celery-task-meta-1")),
        ("flower", ("LPUSH", "blue:memory_graph.vault", "x")),
        ("flower", ("DEL", "blue:memory_graph:dead:letters")),
        ("flower", ("EVAL", "return redis.pcall('GET', KEYS[1])", 1, "green:celery-task-meta-1")),
        ("metrics", ("LPUSH", "blue:memory_graph.vault", "x")),
        ("metrics", ("GET", "green:celery-task-meta-1")),
        ("operator", ("CONFIG", "GET", "requirepass")),
        ("operator", ("HGETALL", "green:unacked")),
    ],
)
def test_what_a_part_does_not_need_is_refused(broker: Broker, user: str, command: tuple[str, ...]) -> None:
    broker.redis.execute_command("ACL SETUSER", *next(one.split() for one in USERS if one.startswith(user)))
    with Redis(port=broker.port, username=user, password="PASSWORD") as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


def test_what_may_only_show_changes_nothing_by_a_script_either(broker: Broker) -> None:
    broker.redis.execute_command("ACL SETUSER", *next(one.split() for one in USERS if one.startswith("flower")))
    with Redis(port=broker.port, username="flower", password="PASSWORD") as client:
        with pytest.raises(ResponseError, match="ermission"):
            client.eval("return redis.call('LPUSH', KEYS[1], 'x')", 1, "blue:memory_graph.vault")
        assert client.eval("return redis.call('LLEN', KEYS[1])", 1, "blue:memory_graph.vault") == 0


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery, for a chord
def test_a_producer_sends_a_chord_and_reads_the_results_of_its_parts_and_its_body(
    broker: Broker, tmp_path: Path
) -> None:
    for user in USERS:
        broker.redis.execute_command("ACL SETUSER", *user.split())
    at = {name: f"redis://{name}:PASSWORD@127.0.0.1:{broker.port}/0" for name in ("producer", "worker")}
    app = Celery("producer", set_as_current=False)
    app.conf.update(result_backend=at["producer"], task_default_queue="work")
    delivery = install(app, at["producer"], key_prefix="blue:", unacked_key="unacked")
    environ = {"DELIVERY_URL": at["worker"], "DELIVERY_KEY_PREFIX": "blue:"}
    worker = Worker(broker, "one", tmp_path / "worker.log", environ)
    try:
        assert results_of_a_chord(app) == ["a b", "a", "b"]
        refused: Any = broker.redis.execute_command("ACL LOG")
        assert refused == [], refused
    finally:
        worker.kill()
        delivery.redis.close()
        close(app)


def results_of_a_chord(app: Celery) -> list[str]:
    """What its sender reads of its body and its parts."""
    parts = [app.signature("answers", (text,), queue="work") for text in ("a", "b")]
    body = chord(parts, app=app)(app.signature("joins", queue="work"))
    return [result.get(timeout=LONGEST_SECS) for result in (body, *body.parent)]
