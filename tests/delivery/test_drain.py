"""A worker that is stopped: what ends in its grace is done, the rest is back at once, and nothing is lost."""

import json
import signal
import time
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery.messages.attempts import was_lost
from support.waiting import LONGEST_SECS


@pytest.fixture
def busy(broker: Any, producer: Celery, start_worker: Any, until: Any) -> Any:
    """A worker with a long task, a short one and a countdown in its hands, and more on the queue."""
    worker = start_worker("busy", DELIVERY_GRACE_SECS="5", DELIVERY_VISIBILITY_SECS="60")
    producer.send_task("slow", ("long", 25), task_id="long")
    producer.send_task("slow", ("short", 2), task_id="short")
    producer.send_task("good", (1,), countdown=50, task_id="later")
    until(lambda: broker.redis.exists("runs:long") and broker.redis.exists("runs:short"))
    producer.send_task("good", (2,), task_id="next")
    return worker


def waiting(broker: Any) -> int:
    return broker.redis.llen("work")


def returned(broker: Any) -> dict[str, dict[str, Any]]:
    messages = [json.loads(item) for item in broker.redis.lrange("work", 0, -1)]
    return {message["headers"]["id"]: message["headers"] for message in messages}


def ended(worker: Any) -> float:
    started = time.monotonic()
    worker.process.wait(LONGEST_SECS)
    return time.monotonic() - started


def test_what_the_grace_does_not_suffice_for_is_back_at_once(
    busy: Any, broker: Any, start_worker: Any, until: Any
) -> None:
    busy.process.terminate()
    assert ended(busy) > 4
    assert busy.process.returncode == 0
    assert broker.redis.llen("done:short") == 1
    assert broker.redis.llen("done:long") == 0
    assert not broker.redis.exists("unacked", "unacked_index")
    assert waiting(broker) == 3
    assert {name for name, headers in returned(broker).items() if was_lost(headers)} == {"long"}
    assert broker.dead.count() == 0
    assert broker.redis.keys("delivery:dead:losses:*") == []
    start_worker("heir")
    until(lambda: broker.redis.llen("done:long") == 1 and broker.redis.llen("done") == 1)
    assert broker.redis.llen("runs:long") == 2


def test_a_second_term_ends_the_grace(broker: Any, producer: Celery, start_worker: Any, until: Any) -> None:
    worker = start_worker("one", DELIVERY_GRACE_SECS="60", DELIVERY_VISIBILITY_SECS="60")
    producer.send_task("slow", ("long", 50))
    until(lambda: broker.redis.exists("runs:long"))
    worker.process.terminate()
    time.sleep(1)
    worker.process.terminate()
    assert ended(worker) < 45  # the grace is 60
    assert (waiting(broker), broker.dead.count()) == (1, 0)
    assert not broker.redis.exists("unacked")


def test_a_kill_in_the_grace_is_a_crash_and_loses_nothing(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker("one", DELIVERY_GRACE_SECS="60")
    producer.send_task("slow", ("long", 15))
    until(lambda: broker.redis.exists("runs:long"))
    worker.process.terminate()
    time.sleep(1)
    worker.kill()
    start_worker("heir")
    until(lambda: broker.redis.llen("done:long") == 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_at_once(start_worker: Any, producer: Celery, broker: Any, number: int, until: Any) -> None:
    worker = start_worker("idle", DELIVERY_VISIBILITY_SECS="60")
    producer.send_task("good", (1,), countdown=50)
    until(lambda: not waiting(broker))
    worker.process.send_signal(number)
    assert ended(worker) < 25  # the grace is 30
    assert worker.process.returncode == 0
    assert waiting(broker) == 1
