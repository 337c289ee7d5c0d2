"""Work that outlasts the visibility timeout (3 s here) runs once, and a dead worker's work comes back."""

import time
from typing import Any

from celery import Celery


def test_work_that_outlasts_the_timeout_runs_once(broker: Any, producer: Celery, start_worker: Any, until: Any) -> None:
    start_worker("one"), start_worker("two")
    producer.send_task("slow", ("long", 10))
    producer.send_task("again", ("later", 10))
    until(lambda: broker.redis.llen("done:long") == 1 and broker.redis.llen("runs:later") == 2)
    time.sleep(1)
    assert broker.redis.llen("runs:long") == 1
    assert broker.redis.lrange("runs:later", 0, -1) == [b"0", b"1"]
    until(lambda: not broker.redis.exists("unacked", "work"))


def test_a_killed_workers_work_comes_back(broker: Any, producer: Celery, start_worker: Any, until: Any) -> None:
    doomed = start_worker("doomed")
    producer.send_task("slow", ("lost", 20))  # longer than the other worker needs to start
    until(lambda: broker.redis.llen("runs:lost") == 1)
    doomed.kill()
    start_worker("heir")
    until(lambda: broker.redis.llen("runs:lost") == 2)
    until(lambda: broker.redis.llen("done:lost") == 1)
    assert broker.redis.lrange("done:lost", 0, -1) == [b"celery@heir"]


def test_a_broker_that_restarts_costs_no_second_run(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker("one")
    producer.send_task("slow", ("through", 2))
    until(lambda: broker.redis.llen("runs:through") == 1)
    broker.stop()
    broker.start()
    until(lambda: broker.redis.llen("done:through") == 1)
    until(lambda: not broker.redis.exists("unacked", "work"))
    time.sleep(4)
    assert worker.is_alive
    assert broker.redis.llen("runs:through") == 1


def test_a_worker_that_is_stopped_ends_its_work_first(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker("one")
    producer.send_task("slow", ("last", 4))
    until(lambda: broker.redis.llen("runs:last") == 1)
    worker.stop()
    assert broker.redis.llen("done:last") == 1
    assert not broker.redis.exists("unacked", "work")
