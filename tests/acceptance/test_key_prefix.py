"""A fleet whose keys all begin with a prefix of its own: another one on the same database sees nothing of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from redis import Redis
from support.forked import ForkedChildren
from support.using_stack import flower, registers, says
from support.waiting import until

pytestmark = pytest.mark.stack

BLUE = "blue:"
MESSAGE = json.dumps(
    {
        "body": "W1tdLCB7fSwge31d",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "memory_graph.registry.health_check", "id": "one"},
        "properties": {"delivery_info": {}, "body_encoding": "base64", "delivery_tag": "one"},
    }
)
FIRST = "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a01"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {"KEY_PREFIX": BLUE, "TASK_MAX_ATTEMPTS": "1"})
        stack.start_services()
        stack.start_worker()
        stack.start_beat()
        stack.start_flower()
        yield stack


@pytest.fixture
def redis(stack: Stack) -> Iterator[Redis]:
    with Redis.from_url(stack.environ["REDIS_URL"]) as redis:
        yield redis


def test_every_key_begins_with_the_prefix_and_all_parts_work(stack: Stack, redis: Redis) -> None:
    assert registers(stack, FIRST)
    says(stack, "sweep", "--now")
    redis.lpush(f"{BLUE}memory_graph.vault", "no message")
    until(lambda: says(stack, "dead", "list", "--json")["count"] == 1)
    until(lambda: redis.exists(f"{BLUE}memory_graph:beat::lock"))
    says(stack, "health", "beat")
    says(stack, "health", "worker", "--name", "worker@local")
    until(lambda: "worker@local" in flower(stack, "/api/workers?refresh=1"))
    found: Any = redis.keys("*")
    assert [key for key in found if not key.startswith(BLUE.encode())] == []


def test_another_fleet_on_the_same_database_sees_nothing_of_it(stack: Stack, redis: Redis) -> None:
    assert registers(stack, FIRST)
    redis.lpush(f"{BLUE}more", MESSAGE)
    assert {row["queue"] for row in says(stack, "queues", "--json")["queues"]} > {f"{BLUE}more"}
    stack.environ["KEY_PREFIX"] = ""
    found = {one["check"]: one for one in says(stack, "doctor", "--json", code=1)["findings"]}
    assert found["workers"]["found"] == "0 respond"
    assert "other apps on this database" not in found
    assert found["queues that nobody takes from"]["state"] == "ok"
    assert {row["waiting"] for row in says(stack, "queues", "--json")["queues"]} == {0}
    stack.environ["KEY_PREFIX"] = "green:"
    assert {row["waiting"] for row in says(stack, "queues", "--json")["queues"]} == {0}
