"""A Redis that refuses commands for a while, over connections that survive: a worker waits, says why and goes on."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

REPLICA, PRIMARY = ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")
NO_REPLICAS, ENOUGH = ("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")
OUTAGES = [("READONLY", REPLICA, PRIMARY), ("NOREPLICAS", NO_REPLICAS, ENOUGH)]


@pytest.mark.parametrize(("reply", "begin", "end"), OUTAGES)
def test_a_worker_outlives_a_redis_that_refuses_commands(
    broker: Any,
    producer: Celery,
    start_worker: Any,
    until: Callable[[Callable[[], object]], None],
    reply: str,
    begin: tuple[str, ...],
    end: tuple[str, ...],
) -> None:
    worker = start_worker("one")
    producer.send_task("naps", (4,), task_id="runs-through")
    producer.send_task("good", (1,))
    until(lambda: broker.redis.llen("done") == 1)
    broker.redis.execute_command(*begin)
    until(lambda: worker.text.count(f"Redis replied {reply}") >= 3)
    broker.redis.execute_command(*end)
    producer.send_task("good", (2,))
    until(lambda: set(broker.redis.lrange("done", 0, -1)) == {b"1", b"2"})
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert worker.is_alive
    assert broker.dead.count() == 0
    assert "HiddenError" not in worker.text


@pytest.mark.parametrize(("reply", "begin", "end"), OUTAGES)
def test_a_worker_that_starts_while_redis_refuses_commands_waits(
    broker: Any,
    producer: Celery,
    spawn_worker: Any,
    until: Callable[[Callable[[], object]], None],
    reply: str,
    begin: tuple[str, ...],
    end: tuple[str, ...],
) -> None:
    producer.send_task("good", (1,))
    broker.redis.execute_command(*begin)
    worker = spawn_worker("one")
    until(lambda: f"Redis replied {reply}" in worker.text or not worker.is_alive)
    assert worker.is_alive, worker.text
    broker.redis.execute_command(*end)
    until(lambda: broker.redis.llen("done") == 1 and not broker.redis.exists("unacked", "work"))
