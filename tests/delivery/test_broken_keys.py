"""A Redis key that holds something else keeps back its own queue, is named in the log, and ends no worker."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

KEYS = ["work", "unacked", "unacked_index", "delivery:hold:queue:work"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_another_type_ends_no_worker(
    broker: Any, producer: Celery, start_worker: Any, until: Callable[[Callable[[], object]], None], key: str
) -> None:
    broker.redis.set(key, "no such data")
    worker = start_worker("one")
    if key != "work":
        producer.send_task("good", (1,))
    until(lambda: f"The Redis key {key} holds data of another kind" in worker.text or not worker.is_alive)
    assert worker.is_alive, worker.text
    broker.redis.delete(key)
    producer.send_task("good", (2,))
    until(lambda: b"2" in broker.redis.lrange("done", 0, -1))
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert (b"1" in broker.redis.lrange("done", 0, -1)) is (key != "work")


@pytest.mark.parametrize("key", ["unacked", "unacked_index"])
def test_a_key_that_is_replaced_while_a_task_runs_ends_no_worker(
    broker: Any, producer: Celery, start_worker: Any, until: Callable[[Callable[[], object]], None], key: str
) -> None:
    worker = start_worker("one")
    producer.send_task("slow", ("task", 2))
    until(lambda: broker.redis.llen("runs:task") == 1)
    broker.redis.delete(key)
    broker.redis.set(key, "no such data")
    producer.send_task("good", (1,))
    until(lambda: f"The Redis key {key} holds data of another kind" in worker.text or not worker.is_alive)
    until(lambda: broker.redis.llen("done:task") == 1)
    broker.redis.delete(key)
    until(lambda: b"1" in broker.redis.lrange("done", 0, -1))
    assert worker.is_alive
