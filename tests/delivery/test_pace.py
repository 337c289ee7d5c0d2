"""How often idle workers look for messages, alone and as a fleet, and how soon they find one."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery.broker import pace as module
from memory_graph_workers.delivery.broker.pace import Pace
from memory_graph_workers.delivery.broker.unacked import TAKE
from memory_graph_workers.delivery.keys import Keys
from redis import Redis
from support.broker import KEYS, Broker

Until = Callable[[Callable[[], object]], None]
MANY = 500
CROWD = {f"another {number}": 4_000_000_000 for number in range(MANY)}  # and until when they count


class Clock:
    """The monotonic clock, by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def looks(pace: Pace, clock: Clock, secs: float) -> int:
    """How often a worker looks that finds nothing."""
    count, end = 0, clock.now + secs
    while clock.now < end:
        if pace.may_look:
            count += 1
            pace.looks()
            pace.found_nothing()
        clock.now += 0.01
    return count


def test_a_worker_looks_often_while_messages_come_and_six_times_a_second_when_none_does(clock: Clock) -> None:
    pace = Pace()
    pace.found()
    assert 7 <= looks(pace, clock, 0.5) <= 12
    clock.now += 10
    assert 50 <= looks(pace, clock, 10) <= 65


@pytest.mark.parametrize(
    ("workers", "alike", "together"),
    [
        (10, 10, 40),
        (40, 1, 40),
        (MANY, 1, MANY),
        (200, 200, 40),
        (MANY, 40, MANY),
        (MANY, MANY, 40),
        (2 * MANY, 2 * MANY, 2 * MANY / 15),
    ],
)
def test_a_fleet_looks_forty_times_a_second_and_a_worker_once_or_in_fifteen_where_so_many_consume_the_same(
    clock: Clock, workers: int, alike: int, together: int
) -> None:
    pace = Pace()
    pace.learn(workers, alike)
    clock.now += 1000
    assert looks(pace, clock, 50) * workers / 50 == pytest.approx(together, rel=0.35)


def test_a_worker_that_learns_that_the_others_are_gone_does_not_wait_as_if_they_were_there(clock: Clock) -> None:
    pace = Pace()
    pace.learn(MANY, MANY)
    pace.found_nothing()
    pace.learn(1, 1)
    clock.now += 0.2
    assert pace.may_look


def test_a_worker_looks_at_all_priorities_when_it_is_woken_and_while_they_are_used(clock: Clock) -> None:
    pace = Pace()
    pace.found_nothing()
    assert not pace.looks_wide
    pace.wake()
    pace.looks()
    assert pace.looks_wide
    pace.found(first_priority=True)
    pace.found_nothing()
    assert not pace.looks_wide
    pace.found(first_priority=False)
    pace.found_nothing()
    assert pace.looks_wide
    clock.now += 601
    assert not pace.looks_wide


def test_a_worker_that_is_woken_while_it_looks_looks_again(clock: Clock) -> None:
    pace = Pace()
    pace.looks()
    pace.wake()
    pace.found_nothing()
    assert pace.may_look
    pace.looks()
    pace.found_nothing()
    assert not pace.may_look


def test_a_worker_that_is_woken_or_found_a_message_looks_at_once(clock: Clock) -> None:
    pace = Pace()
    pace.learn(MANY, MANY)
    for act in (pace.wake, pace.found):
        clock.now += 1000
        pace.looks()
        pace.found_nothing()
        assert not pace.may_look
        act()
        assert pace.may_look


@pytest.fixture
def crowd(broker: Broker) -> Redis:
    """A fleet of five hundred workers, of whom a test starts some."""
    for key in (KEYS.workers, KEYS.alike(["work"])):
        broker.redis.zadd(key, CROWD)
    return broker.redis


def commands(redis: Any, secs: float) -> dict[str, float]:
    """How often Redis ran each command in a second, those of scripts included."""

    def counts() -> dict[str, int]:
        found = redis.info("commandstats")
        return {name.removeprefix("cmdstat_"): row["calls"] for name, row in found.items()}

    before, began = counts(), time.monotonic()
    time.sleep(secs)
    after, passed = counts(), time.monotonic() - began
    ours = {name: (count - before.get(name, 0)) / passed for name, count in after.items()}
    return {name: rate for name, rate in ours.items() if rate and name != "info"}


def test_an_idle_worker_sends_redis_few_commands(broker: Broker, start_worker: Any) -> None:
    start_worker()
    time.sleep(3)
    found = commands(broker.redis, 10)
    assert sum(found.values()) < 10, found


def test_an_idle_worker_of_a_large_fleet_sends_less_than_a_command_a_second(crowd: Any, start_worker: Any) -> None:
    start_worker()
    time.sleep(10)
    found = commands(crowd, 20)
    assert sum(found.values()) < 2, found  # of which one is the leading worker's turn
    assert found["exists"] < 1.6, found


def test_a_message_of_another_priority_is_found_by_a_worker_that_saw_none_before(
    broker: Broker, producer: Celery, start_worker: Any, until: Until
) -> None:
    start_worker()
    for number in range(2):
        producer.send_task("good", (number,), priority=3 * number + 3)
        until(lambda number=number: broker.redis.llen("done") == number + 1)


def test_a_message_of_another_priority_is_found_by_a_worker_whose_presence_shows_that_redis_writes(
    broker: Broker, producer: Celery, start_worker: Any, until: Until
) -> None:
    for key in (KEYS.workers, KEYS.alike(["work"])):
        broker.redis.zadd(key, dict(list(CROWD.items())[:60]))
    start_worker()
    time.sleep(6)  # until it knows of them, and has looked
    producer.send_task("good", (1,), priority=3)
    until(lambda: broker.redis.llen("done") == 1)


def test_an_idle_worker_of_a_large_fleet_wakes_the_others(
    crowd: Any, broker: Broker, producer: Celery, start_worker: Any, until: Until
) -> None:
    start_worker("one"), start_worker("two")
    until(lambda: commands(crowd, 4).get("exists", 0) < 4)  # those of the leader, and for what was abandoned, too
    with crowd.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(f"/0.{KEYS.wake}")
        for number in range(40):
            producer.send_task("slow", (f"{number}", 0.5))
        until(heard.get_message)
    until(lambda: len({name for n in range(40) for name in crowd.lrange(f"runs:{n}", 0, -1)}) == 2)
    until(lambda: not crowd.exists("unacked", "work"))


def test_who_may_not_wake_others_takes_its_message(broker: Any) -> None:
    broker.redis.acl_setuser("mute", enabled=True, nopass=True, categories=["+@all"], keys=["*"], reset_channels=True)
    keys = ["index", "unacked", "work", "permits", KEYS.woken]
    with Redis(port=broker.port, username="mute", password="any") as mute:
        for item in ("one", "two"):
            mute.rpush("work", item)
        assert mute.eval(TAKE, len(keys), *keys, "tag", ',"","work"]', KEYS.wake) == [0, b"two", 0]
        assert mute.hgetall("unacked") == {b"tag:work": b'[two,"","work"]'}


def test_workers_join_the_fleet_and_leave_it(broker: Any, start_worker: Any, until: Until) -> None:
    both = [KEYS.workers, KEYS.alike(["work"])]
    broker.redis.zadd(both[0], {"one of a release before": 1})
    one, two = start_worker("one"), start_worker("two")
    until(lambda: all(broker.redis.zcard(key) == 2 for key in both))
    one.stop()
    until(lambda: all(broker.redis.zcard(key) == 1 for key in both))
    two.kill()
    start_worker("three")

    def there(key: str) -> list[bytes]:
        return [name.split(b" ")[0] for name in broker.redis.zrangebyscore(key, time.time(), "+inf")]

    until(lambda: all(there(key) == [b"celery@three"] for key in both))


def test_a_redis_that_forgets_its_scripts_costs_nothing(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    start_worker()
    for number in range(3):
        producer.send_task("good", (number,))
        until(lambda number=number: broker.redis.llen("done") == number + 1)
        broker.redis.script_flush()
    assert broker.redis.lrange("done", 0, -1) == [b"0", b"1", b"2"]


def test_an_idle_worker_leaves_a_server_that_became_a_replica(
    broker: Any, producer: Celery, start_worker: Any, until: Until
) -> None:
    worker = start_worker()
    time.sleep(1)
    broker.redis.replicaof("127.0.0.1", "1")
    until(lambda: "Redis replied READONLY" in worker.text)
    broker.redis.replicaof("NO", "ONE")
    producer.send_task("good", (1,))
    until(lambda: broker.redis.llen("done") == 1)
    assert Keys("delivery").nothing not in broker.redis
