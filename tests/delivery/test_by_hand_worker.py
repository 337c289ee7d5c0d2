"""A queue that a person holds, with real workers: nothing is taken, whoever starts, and nothing is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery import HoldStore
from support.broker import KEYS, Broker
from support.waiting import until
from support.worker import Worker

Start = Callable[..., Worker]


@pytest.fixture
def holds(broker: Broker) -> HoldStore:
    return HoldStore(broker.redis, KEYS)


def done(broker: Broker) -> list[int]:
    found: Any = broker.redis.lrange("done", 0, -1)
    return sorted(map(int, found))


def sees(worker: Worker) -> None:
    """Wait until a worker leads and has seen that alice holds the queue."""
    until(lambda: "Queue work is held by alice: the stock is counted" in worker.text or not worker.is_alive)
    assert worker.is_alive, worker.text


def test_a_hold_outlives_workers_and_its_release_frees_everything_at_once(
    broker: Broker, producer: Celery, holds: HoldStore, start_worker: Start
) -> None:
    first = start_worker("first")
    holds.hold_by_hand("work", "alice", "the stock is counted")
    for number in range(3):
        producer.send_task("good", (number,), queue="work")
    sees(first)
    first.stop()
    second = start_worker("second")  # it finds the permits before anybody leads
    sees(second)
    assert (broker.redis.llen("work"), done(broker)) == (3, [])
    holds.leave_to_workers("work")
    until(lambda: done(broker) == [0, 1, 2])
    until(lambda: "Nobody holds or releases queue work by hand any more" in second.text)
    assert not broker.redis.exists("work", KEYS.unacked, KEYS.permits("work"), KEYS.by_hand)


def test_a_task_whose_countdown_ends_in_a_held_queue_goes_back_and_runs_after_the_release(
    broker: Broker, producer: Celery, holds: HoldStore, start_worker: Start
) -> None:
    worker = start_worker()
    producer.send_task("good", (1,), queue="work", countdown=3)
    until(lambda: broker.redis.hlen(KEYS.unacked) == 1)
    holds.hold_by_hand("work", "alice", "the stock is counted")
    until(lambda: broker.redis.llen("work") == 1 and not broker.redis.exists(KEYS.unacked))
    sees(worker)
    assert done(broker) == []
    holds.leave_to_workers("work")
    until(lambda: done(broker) == [1])
    until(lambda: not broker.redis.exists("work", KEYS.unacked))


def test_a_key_of_another_kind_ends_no_worker_and_holds_nothing(
    broker: Broker, producer: Celery, start_worker: Start
) -> None:
    broker.redis.set(KEYS.by_hand, "no hash")
    worker = start_worker()
    producer.send_task("good", (1,), queue="work")
    until(lambda: done(broker) == [1])
    until(lambda: "What people decided about queues cannot be read" in worker.text)
    assert worker.is_alive
