"""Countdowns: the long ones wait in Redis, and a worker that is lost while a task waits says nothing about the task."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.delivery.messages.countdowns import (
    LONGEST_IN_WORKER_SECS,
    MOST_IN_WORKER,
    secs_in_redis,
    secs_left,
)
from support.broker import KEYS

Until = Callable[[Callable[[], object]], None]
SOON_SECS = 20


def test_what_is_near_waits_in_the_worker_unless_it_has_too_many() -> None:
    assert secs_in_redis(LONGEST_IN_WORKER_SECS, 1) == 0
    assert secs_in_redis(LONGEST_IN_WORKER_SECS + 100, 1) == 100
    assert secs_in_redis(20, MOST_IN_WORKER + 1) == 20


@pytest.mark.parametrize("eta", [None, "", "2001-01-01", "2001-01-01T00:00:00+05:00", "soon", 5, [1], {"a": 1}])
def test_no_time_to_come_is_no_wait(eta: Any) -> None:
    assert secs_left({"eta": eta}) == 0


@pytest.mark.parametrize("eta", ["2999-01-01", "2999-01-01T00:00:00+05:00", "2999-01-01T00:00:00"])
def test_a_time_to_come_is_a_wait(eta: str) -> None:
    assert secs_left({"eta": eta}) > 0


@pytest.mark.parametrize(("countdown_secs", "losses"), [(14 * 86_400, 0), (90, 0), (-1, 9)])
def test_only_a_task_that_may_have_begun_counts_lost_workers(
    broker: Any, producer: Celery, countdown_secs: float, losses: int
) -> None:
    eta = datetime.now(UTC) + timedelta(seconds=countdown_secs)
    producer.send_task("good", (1,), task_id="waits", eta=eta)
    settings = broker_settings(broker.url)
    with producer.connection_for_write(settings["broker_url"]) as connection:
        channel: Any = connection.channel()
        for _ in range(9):
            noted = json.dumps([json.loads(broker.redis.rpop("work")), "", "work"])
            broker.redis.hset("unacked", "tag", noted)
            broker.redis.zadd("unacked_index", {"tag": 1})
            channel.qos.restore_visible(interval=1)
        assert json.loads(broker.redis.lindex("work", 0))["headers"]["worker_losses"] == losses


def test_killed_workers_leave_a_long_countdown_as_it_was(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    producer.send_task("good", (1,), task_id="waits", countdown=14 * 86_400)
    for number in range(3):
        worker = start_worker(f"killed-{number}")
        until(lambda: broker.redis.exists("unacked"))
        worker.kill()
    assert broker.dead.count() == 0
    assert not json.loads(broker.redis.hvals("unacked")[0])[0]["headers"].get("worker_losses")


def test_a_long_countdown_is_announced_without_its_arguments(
    broker: Any, producer: Celery, start_worker: Any, until: Until, events: Any
) -> None:
    start_worker()
    producer.send_task("good", (1,), {"text": "canary"}, task_id="waits", countdown=86_400)
    until(lambda: [one for one in events.seen if one["type"] == "task-received"])
    (found,) = [one for one in events.stop() if one["type"] == "task-received"]
    assert (found["uuid"], found["name"]) == ("waits", "good")
    assert found["eta"]
    assert "canary" not in repr(found)


def test_what_waits_in_redis_is_found_by_inspect(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    start_worker()
    for task_id in ("a*b", "waits"):
        producer.send_task("good", (1,), {"text": "canary"}, task_id=task_id, countdown=86_400)
    until(lambda: broker.redis.hlen("unacked") == 2 and broker.redis.exists(KEYS.leader))
    inspect = producer.control.inspect(timeout=5)

    def listed() -> list[Any]:
        return [one for told in (inspect.scheduled() or {}).values() for one in told]

    until(lambda: len(listed()) == 2)
    assert {(one["request"]["id"], one["request"]["name"]) for one in listed()} == {("a*b", "good"), ("waits", "good")}
    assert all(one["eta"] for one in listed())
    (told,) = inspect.query_task("a*b", "unknown").values()
    assert {task_id: state for task_id, (state, _) in told.items()} == {"a*b": "scheduled"}
    assert "canary" not in repr((listed(), told))


def test_what_waits_in_redis_ends_when_it_is_revoked(
    broker: Any, producer: Celery, start_worker: Any, until: Until, events: Any
) -> None:
    start_worker()
    for task_id in ("stays", "ends"):
        producer.send_task("good", (1,), task_id=task_id, countdown=86_400)
    until(lambda: broker.redis.hlen("unacked") == 2 and broker.redis.exists(KEYS.leader))
    producer.control.revoke("ends")
    until(lambda: broker.redis.hlen("unacked") == 1 and not broker.redis.exists("work"))
    until(lambda: [one["uuid"] for one in events.seen if one["type"] == "task-revoked"])
    assert {one["uuid"] for one in events.stop() if one["type"] == "task-revoked"} == {"ends"}
    assert broker.dead.count() == 0


def test_a_parked_message_comes_back_when_its_time_is_near(broker: Any, producer: Celery, until: Until) -> None:
    producer.send_task("good", (1,))
    with producer.connection_for_read() as connection, connection.SimpleQueue("work") as queue:
        message = queue.get(timeout=5)
        qos: Any = message.channel.qos
        qos.park(message.delivery_tag, "task", 2)
        qos.restore_visible(interval=1)
        assert not broker.redis.exists("work")

        def restored() -> bool:
            qos.restore_visible(interval=1)
            return bool(broker.redis.exists("work"))

        until(restored)


@pytest.mark.parametrize("ends_before_eta_secs", [-0.5, 0.0, 5.0])
def test_a_parked_message_comes_back_on_time_and_counts_no_lost_worker(
    broker: Any, producer: Celery, until: Until, ends_before_eta_secs: float
) -> None:
    wait_secs = 1.5
    producer.send_task("good", (1,), countdown=wait_secs + ends_before_eta_secs)
    with producer.connection_for_read() as connection, connection.SimpleQueue("work") as queue:
        message = queue.get(timeout=5)
        qos: Any = message.channel.qos
        being_renewed = qos.in_flight_tags()
        parked_at = time.monotonic()
        qos.park(message.delivery_tag, "task", wait_secs)
        qos.renew(being_renewed)  # another thread had begun to renew before the message was parked

        def restored() -> bool:
            qos.restore_visible(interval=1)
            return bool(broker.redis.exists("work"))

        until(restored)
        assert wait_secs - 0.1 < time.monotonic() - parked_at < wait_secs + 1
        kept = json.loads(broker.redis.lindex("work", 0))
        assert not kept["headers"].get("worker_losses")
        assert not broker.redis.exists("unacked", "unacked_index")


@pytest.mark.parametrize("many", [1, 500, 501, 2300])
def test_many_leases_are_renewed_a_slice_at_a_time(
    broker: Any, producer: Celery, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    tags = {f"tag-{number}" for number in range(many)}
    broker.redis.zadd("unacked_index", dict.fromkeys(tags, 1))
    settings = broker_settings(broker.url)
    with producer.connection_for_write(settings["broker_url"]) as connection:
        channel: Any = connection.channel()
        slices: list[int] = []
        run = type(channel.qos)._run

        def noted(qos: Any, script: str, keys: list[str], args: list[Any]) -> Any:
            slices.append(len(args))
            return run(qos, script, keys, args)

        monkeypatch.setattr(type(channel.qos), "_run", noted)
        channel.qos.renew({*tags, "acknowledged meanwhile"})
    assert (sum(slices), max(slices) <= 500) == (many + 1, True)
    renewed = dict(broker.redis.zrange("unacked_index", 0, -1, withscores=True))
    assert set(renewed) == {tag.encode() for tag in tags}
    assert min(renewed.values()) > 1


def test_what_was_parked_counts_the_workers_that_are_lost_after_its_wait(broker: Any, producer: Celery) -> None:
    producer.send_task("good", (1,), countdown=0.1)
    with producer.connection_for_read() as connection, connection.SimpleQueue("work") as queue:
        qos: Any = queue.get(timeout=5).channel.qos
        qos.park(*qos.in_flight_tags(), "task", 0)
        time.sleep(0.1)
        qos.restore_visible(interval=1)  # its wait is over
        queue.get(timeout=5)
        broker.redis.zadd("unacked_index", dict.fromkeys(broker.redis.hkeys("unacked"), 1))
        qos.restore_visible(interval=1)  # and then a worker is lost
        assert json.loads(broker.redis.lindex("work", 0))["headers"]["worker_losses"] == 1


def test_what_somebody_else_took_back_is_not_parked(broker: Any, producer: Celery) -> None:
    producer.send_task("good", (1,))
    with producer.connection_for_read() as connection, connection.SimpleQueue("work") as queue:
        message = queue.get(timeout=5)
        broker.redis.delete("unacked", "unacked_index")
        message.channel.qos.park(message.delivery_tag, "task", 60)
    assert not broker.redis.exists("unacked", "unacked_index")


def test_many_long_countdowns_are_in_no_workers_hands(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    count = 3000
    worker = start_worker("one", DELIVERY_VISIBILITY_SECS="60")
    with producer.pool.acquire(block=True) as connection:
        for number in range(count):
            producer.send_task("good", (number,), countdown=86_400, connection=connection)
    until(lambda: not broker.redis.exists("work"))
    producer.send_task("good", (0,))
    until(lambda: broker.redis.llen("done") == 1)
    until(lambda: broker.redis.hlen("unacked") == count)
    assert broker.redis.zcount("unacked_index", time.time() + 80_000, "+inf") == count
    started = time.monotonic()
    worker.stop()
    assert time.monotonic() - started < SOON_SECS
    assert broker.redis.hlen("unacked") == count


def test_more_short_countdowns_than_a_worker_holds_all_run(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    count = MOST_IN_WORKER + 300
    eta = datetime.now(UTC) + timedelta(seconds=25)
    for number in range(count):
        producer.send_task("good", (number,), eta=eta)
    start_worker()
    until(lambda: not broker.redis.exists("work"))
    until(lambda: broker.redis.llen("done") >= count)
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert sorted(map(int, broker.redis.lrange("done", 0, -1))) == list(range(count))
