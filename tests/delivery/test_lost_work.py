"""What happens to work whose child, worker or store is lost."""

import json
import time
import tracemalloc
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, Reason

MIB = 2**20


@pytest.fixture
def held(broker: Any, producer: Celery) -> bytes:
    """A message of a dead worker, as kombu keeps it; its clock says that it was taken long ago."""
    producer.send_task("good", (1,), task_id="orphan")
    kept = json.dumps([json.loads(broker.redis.rpop("work")), "", "work"]).encode()
    broker.redis.zadd("unacked_index", {"tag": time.time() - 60})
    return kept


def test_a_child_lost_twice_is_forgiven(broker: Any, producer: Celery, start_worker: Any, until: Any) -> None:
    start_worker()
    producer.send_task("kills_twice")
    until(lambda: broker.redis.llen("kills") == 3)  # the pool may notice a dead child after 5 s only
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert broker.redis.lrange("kills", 0, -1) == [b"False", b"True", b"True"]  # whether it knows of a lost attempt
    assert broker.dead.count() == 0
    assert broker.redis.keys("delivery:dead:losses:*") == []


def test_nothing_is_acknowledged_while_the_store_is_away(
    broker: Any, archive: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker(DELIVERY_DEAD_URL=archive.url)
    producer.send_task("quotes", ("x",), task_id="failed")
    producer.send_task("nobody.knows", task_id="unknown")
    broker.redis.lpush("work", "not json")
    until(lambda: all(words in worker.text for words in ("failure could not be kept", "could not be set aside")))
    assert worker.is_alive
    archive.start()
    until(lambda: archive.dead.count() == 3)
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert {letter.reason for letter in archive.dead.list()} == {"failed", "unknown_task", "broken_envelope"}


def test_a_task_that_ends_while_the_broker_is_away_is_no_failure(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    start_worker()
    producer.send_task("naps", (3,), task_id="nap")
    until(lambda: broker.redis.hlen("unacked") == 1)
    time.sleep(1)
    broker.stop()
    time.sleep(8)
    broker.start()
    until(lambda: b"SUCCESS" in (broker.redis.get("celery-task-meta-nap") or b""))
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert broker.dead.count() == 0


def test_a_task_that_goes_back_to_a_full_redis_is_not_lost(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker()
    producer.send_task("goes_back", ("x",))
    until(lambda: broker.redis.exists("went_back"))
    broker.redis.config_set("maxmemory", "1mb")
    until(lambda: not broker.redis.exists("unacked") or "will run again" in worker.text)  # it went back, or failed
    broker.redis.config_set("maxmemory", "0")
    until(lambda: broker.redis.llen("went_back") > 1)
    assert worker.is_alive


def test_a_dead_workers_message_comes_back(
    broker: Any, held: bytes, producer: Celery, start_worker: Any, until: Any
) -> None:
    broker.redis.hset("unacked", "tag", held)
    start_worker()
    until(lambda: broker.redis.llen("done") == 1)
    until(lambda: not broker.redis.exists("unacked", "unacked_index", "work"))


def test_workers_killed_under_load_lose_nothing(broker: Any, producer: Celery, start_worker: Any, until: Any) -> None:
    for number in range(600):
        producer.send_task("good", (number,))
    for name in ("first", "second", "third"):
        worker = start_worker(name)
        seen = broker.redis.llen("done")
        until(lambda: broker.redis.llen("done") > seen + 50)  # noqa: B023  called at once
        worker.kill()
    start_worker("last")
    until(lambda: not broker.redis.exists("work", "unacked"))
    assert set(map(int, broker.redis.lrange("done", 0, -1))) == set(range(600))


def test_a_message_that_takes_ten_workers_down_is_buried(
    broker: Any, held: bytes, start_worker: Any, until: Any
) -> None:
    message, exchange, key = json.loads(held)
    message["headers"]["worker_losses"] = 9
    broker.redis.hset("unacked", "tag", json.dumps([message, exchange, key]))
    start_worker()
    until(lambda: broker.dead.count() == 1)
    assert broker.dead.get("orphan").reason is Reason.LOST_WORKER
    assert broker.redis.llen("done") == 0
    until(lambda: not broker.redis.exists("unacked", "unacked_index"))


@pytest.mark.parametrize("junk", [b"not json", b"[]", b'[5, "", "work"]', b'[{"headers": {}}, [], {}]'])
def test_junk_that_was_in_hand_is_set_aside(broker: Any, channel: Any, junk: bytes) -> None:
    broker.redis.hset("unacked", "tag", junk)
    broker.redis.zadd("unacked_index", {"tag": 1})
    channel.qos.restore_visible(interval=1)
    assert broker.dead.count() == 1
    assert not broker.redis.exists("unacked", "unacked_index")


@pytest.mark.parametrize(("count", "size_bytes"), [(1, 20 * MIB), (12, 8 * MIB), (600, 200_000), (3000, 10)])
def test_what_dead_workers_left_comes_back_in_little_memory(
    broker: Any, channel: Any, count: int, size_bytes: int
) -> None:
    message = {
        "body": "x" * size_bytes,
        "headers": {"task": "good", "id": "large"},
        "properties": {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "work"}},
    }
    noted = json.dumps([message, "", "work"])
    for number in range(count):
        broker.redis.hset("unacked", str(number), noted)
        broker.redis.zadd("unacked_index", {str(number): 1})
    tracemalloc.start()
    try:
        while broker.redis.exists("unacked"):
            channel.qos.restore_visible(num=None, interval=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert broker.redis.llen("work") == count
    assert peak < 10 * max(size_bytes, 8 * MIB)
    assert not broker.redis.exists("unacked_index")


def test_a_worker_that_stops_gives_large_messages_back_in_little_memory(
    broker: Any, channel: Any, producer: Celery
) -> None:
    count, size_bytes = 12, 8 * MIB
    for number in range(count):
        producer.send_task("good", ("x" * size_bytes,), task_id=str(number))
    for number in range(count):
        tag = f"tag-{number}"
        noted = b"[" + broker.redis.rpop("work") + b',"","work"]'
        broker.redis.hset("unacked", tag, noted)
        broker.redis.zadd("unacked_index", {tag: time.time()})
        channel.qos._delivered[tag] = None
    tracemalloc.start()
    try:
        channel.qos.restore_unacked()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert broker.redis.llen("work") == count
    assert peak < 12 * size_bytes
    assert not broker.redis.exists("unacked", "unacked_index")


def test_a_retry_goes_where_its_message_came_from_and_not_where_a_sender_says(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    told: list[dict[str, str]] = [{"exchange": "typo", "routing_key": "typo"}, {"exchange": "", "routing_key": ""}, {}]
    messages: list[str] = []
    for number, info in enumerate(told):
        producer.send_task("again", (str(number), 0))
        message = json.loads(broker.redis.rpop("work"))
        message["properties"]["delivery_info"] = info
        messages.append(json.dumps(message))
    broker.redis.lpush("work", *messages)
    start_worker()
    for number in range(len(told)):
        until(lambda number=number: broker.redis.llen(f"runs:{number}") == 2)


def test_an_item_that_could_not_be_noted_goes_back_to_its_queue(broker: Any, channel: Any) -> None:
    qos = channel.qos
    broker.redis.hset("unacked", "noted", b"kept")
    qos.strand("noted", "work", b"one")
    qos.strand("lost", "work", b"two")
    qos.settle()
    qos.settle()
    assert broker.redis.lrange("work", 0, -1) == [b"two"]


def test_a_unix_socket_works_too(broker: Any) -> None:
    settings = broker_settings(f"redis+socket://{broker.folder}/socket")
    connection = Connection(settings["broker_url"])
    with connection.SimpleQueue("plain") as queue:
        broker.redis.lpush("plain", "not json")
        queue.put({"number": 1})
        assert queue.get(timeout=5).payload == {"number": 1}
    connection.release()
    assert broker.dead.count() == 1


def test_a_worker_keeps_the_bounds_of_dead_letters_though_nothing_fails(
    broker: Any, start_worker: Any, until: Any
) -> None:
    for number in range(5):
        broker.dead.add(DeadLetter(id=f"t{number}", reason=Reason.FAILED, queue="work"))
    worker = start_worker(DELIVERY_MAX_LETTERS="3")
    until(lambda: broker.dead.count() == 3)
    until(lambda: "Dead letters will soon be dropped: 3 of 3 letters" in worker.text)


def test_what_is_abandoned_comes_back_under_a_key_prefix_too(broker: Any, until: Any) -> None:
    app = Celery("prefixed", set_as_current=False)
    options = {"global_keyprefix": "pre:", "visibility_timeout": 1}
    app.conf.update(broker_settings(broker.url), broker_transport_options=options, task_default_queue="work")
    app.send_task("good", (1,))
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        until(lambda: channel.basic_get("work"))
        assert broker.redis.hlen("pre:unacked") == 1
        time.sleep(1.1)
        channel.qos.restore_visible(interval=0)
        assert (broker.redis.llen("pre:work"), broker.redis.hlen("pre:unacked")) == (1, 0)
        channel.qos._delivered.clear()
    app.close()
