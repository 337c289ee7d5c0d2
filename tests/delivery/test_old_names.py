"""Workers with a new key prefix, while producers and workers of yesterday still use the old names."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from support.broker import Broker
from support.waiting import until
from support.worker import Worker

NEW = {"DELIVERY_KEY_PREFIX": "blue:", "DELIVERY_KEY_PREFIX_OLD": ""}


def test_each_task_runs_once_whoever_is_of_yesterday(
    broker: Broker, producer: Celery, start_worker: Callable[..., Worker]
) -> None:
    redis, old = broker.redis, start_worker("old")
    producer.send_task("again", ("parked", 900))
    producer.send_task("slow", ("long", 6))  # runs there for longer than the visibility timeout
    until(lambda: redis.lrange("runs:long", 0, -1) and any(tag.startswith(b"parked") for tag in redis.hkeys("unacked")))
    start_worker("new", **NEW)
    for number in range(100):
        producer.send_task("good", (number,), priority=number % 2 * 9)
    redis.lpush("work", "no message")
    until(lambda: len(done(redis)) == 100)
    until(lambda: any(tag.startswith(b"parked") for tag in redis.hkeys("blue:unacked")))
    until(lambda: redis.llen("done:long") == 1)
    until(lambda: redis.hlen("blue:delivery:dead:quarantine:letters") + redis.hlen("delivery:dead:quarantine:letters"))
    old.kill()
    producer.send_task("good", (100,))
    until(lambda: redis.lrange("blue:done", 0, -1).count(b"100"))
    assert done(redis) == list(range(101))
    assert redis.llen("runs:long") == 1


def done(redis: Any) -> list[int]:
    return sorted(map(int, [*redis.lrange("done", 0, -1), *redis.lrange("blue:done", 0, -1)]))


def test_what_a_dead_worker_of_yesterday_had_runs_again(
    broker: Broker, producer: Celery, start_worker: Callable[..., Worker]
) -> None:
    old = start_worker("old")
    producer.send_task("slow", ("lost", 30))
    until(lambda: broker.redis.llen("runs:lost") == 1)
    old.kill()
    start_worker("new", **NEW)
    until(lambda: broker.redis.llen("runs:lost") == 2)
    assert broker.redis.lrange("runs:lost", 0, -1) == [b"celery@old", b"celery@new"]
