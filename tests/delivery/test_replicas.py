"""What counts as written once replicas have it: tasks, batches of them, dead letters, retries."""

import json
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from celery import Celery, chain, chord
from kombu.exceptions import BatchPublishError, OperationalError
from memory_graph_workers.delivery import DeadLetter, DeadLetters, DeliveryUncertain, Reason
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.delivery.connections.replicas import write
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from support.broker import KEYS, Broker
from support.delivery_producer import producer_at
from support.replicas import Replica
from support.replicas import replica as replica
from support.waiting import SOON_SECS, until


@pytest.fixture
def shop(broker: Broker) -> Iterator[Celery]:
    """An app that wants one replica to have what it sends, and has a prefix."""
    with producer_at(broker.url, key_prefix="blue:", min_replicas=1) as app:
        yield app


def waiting(broker: Broker) -> int:
    return broker.redis.llen("blue:work")


def test_a_task_that_no_replica_has_is_uncertain_and_sent_once(broker: Broker, shop: Celery, replica: Replica) -> None:
    began = time.monotonic()
    with pytest.raises(DeliveryUncertain, match="0 of 1 replicas confirmed it in time") as uncertain:
        shop.send_task("good", (1,), task_id="one")
    assert time.monotonic() - began < SOON_SECS
    assert uncertain.value.task_ids == ["one"]
    assert waiting(broker) == 1
    replica.start()
    assert shop.send_task("good", (1,), task_id="one").id == "one"
    assert waiting(broker) == 2


def test_what_only_kombu_can_write_is_waited_for_too(broker: Broker, shop: Celery) -> None:
    with pytest.raises(DeliveryUncertain):
        shop.send_task("good", (1,), headers={"seen": {"not for orjson": float("inf")}})
    assert waiting(broker) == 1


def test_a_batch_that_no_replica_has_is_uncertain(broker: Broker, shop: Celery, replica: Replica) -> None:
    with pytest.raises(BatchPublishError) as failed:
        send_batch(shop)
    assert isinstance(failed.value.__cause__, DeliveryUncertain)
    replica.start()
    send_batch(shop)
    assert waiting(broker) == 6


def send_batch(shop: Celery) -> None:
    with shop.producer_pool.acquire() as producer, cast(Any, producer).batch():
        for number in range(3):
            shop.send_task("good", (number,), producer=producer, retry=False)


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_has_the_replies_of_its_commands(broker: Broker, replica: Replica, transaction: bool) -> None:
    replica.start()
    with connect(broker.url, timeout_secs=5, connect_timeout_secs=5) as client:
        with client.pipeline(transaction=transaction) as pipe:
            pipe.rpush("list", 1, 2)
            pipe.get("none")
            assert write(pipe, 1) == [2, None]
        with client.pipeline(transaction=transaction) as pipe:
            pipe.set("text", "x")
            pipe.rpush("text", 1)
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                write(pipe, 1)
        assert client.get("text") == b"x"


def test_who_may_not_wait_is_uncertain_and_sends_once(broker: Broker, shop: Celery, replica: Replica) -> None:
    replica.start()
    broker.redis.execute_command("ACL SETUSER", "default", "-wait")
    with pytest.raises(DeliveryUncertain, match="its user has no permission for the command"):
        shop.send_task("good", (1,))
    assert waiting(broker) == 1


def test_a_server_that_is_lost_while_it_waits_is_uncertain(broker: Broker) -> None:
    with connect(broker.url, timeout_secs=60, connect_timeout_secs=5) as client, client.pipeline() as pipe:
        pipe.set("key", 1)
        threading.Thread(target=kill_when_written, args=(broker,), daemon=True).start()
        with pytest.raises(DeliveryUncertain, match="ConnectionError"):
            write(pipe, 1)


def kill_when_written(broker: Broker) -> None:
    """Kill the server as soon as a client waits for replicas."""
    until(lambda: broker.redis.info("clients")["blocked_clients"] == 1)
    broker.process.kill()


def test_a_letter_that_no_replica_has_is_an_error_of_redis(broker: Broker, replica: Replica) -> None:
    with connect(broker.url, timeout_secs=1, connect_timeout_secs=1) as client:
        letters = DeadLetters(client, KEYS, min_replicas=1)
        letter = DeadLetter("one", Reason.FAILED, "work", "good")
        with pytest.raises(RedisError, match="Do the same again"):
            letters.add(letter)
        replica.start()
        letters.add(letter)
        assert [one.id for one in letters.all()] == ["one"]


def test_a_failure_is_acknowledged_once_a_replica_has_its_letter(
    broker: Broker, producer: Celery, replica: Replica, start_worker: Any
) -> None:
    worker = start_worker("one", DELIVERY_MIN_REPLICAS="1")
    until(lambda: producer.control.ping(timeout=1))  # a reply of remote control waits for no replica
    producer.send_task("refused", ("x",), task_id="one")
    until(lambda: "its failure could not be kept (0 of 1 replicas confirmed it in time)" in worker.text)
    assert broker.redis.hlen("unacked") == 1
    replica.start()
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert [one.id for one in broker.dead.all()] == ["one"]


def test_a_retry_that_no_replica_has_ends_no_task(
    broker: Broker, producer: Celery, replica: Replica, start_worker: Any
) -> None:
    worker = start_worker("one", DELIVERY_MIN_REPLICAS="1")
    producer.send_task("again", ("later", 0), task_id="one")
    until(lambda: "it was to be tried again, but only 0 of 1 replicas confirmed it in time" in worker.text)
    replica.start()
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert b"1" in broker.redis.lrange("runs:later", 0, -1)
    assert broker.dead.count() == 0
    assert worker.is_alive


def test_a_chain_goes_on_once_a_replica_has_its_next_task(
    broker: Broker, producer: Celery, replica: Replica, start_worker: Any
) -> None:
    worker = start_worker("one", DELIVERY_MIN_REPLICAS="1")
    first, second = (producer.signature("good", (number,), queue="work", immutable=True) for number in (1, 2))
    chain(first, second, app=producer).apply_async()
    until(lambda: worker.text.count("0 of 1 replicas confirmed it in time") > 1)  # it runs and sends again
    replica.start()
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert set(broker.redis.lrange("done", 0, -1)) == {b"1", b"2"}
    assert broker.dead.count() == 0


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery, for a chord
def test_the_body_of_a_chord_runs_though_no_replica_has_it_and_its_result_may_first_say_that_it_failed(
    broker: Broker, producer: Celery, replica: Replica, start_worker: Any
) -> None:
    start_worker("one", DELIVERY_MIN_REPLICAS="1")
    parts = [producer.signature("answers", (text,), queue="work") for text in ("a", "b")]
    key = f"celery-task-meta-{chord(parts, app=producer)(producer.signature('counts', queue='later')).id}"
    until(lambda: state_in(broker, key) == "FAILURE")  # it waits on a queue that nobody takes from
    broker.redis.lmove("later", "work")
    until(lambda: state_in(broker, key) == "SUCCESS")
    until(lambda: not broker.redis.exists("unacked", "work", "later"))
    assert broker.redis.lrange("counts", 0, -1) == [b"2"]


def state_in(broker: Broker, key: str) -> str | None:
    """What a result says."""
    return json.loads(broker.redis.get(key) or b"{}").get("status")


def test_the_error_says_what_happened_and_what_to_do() -> None:
    one, many = DeliveryUncertain(0, 1, ["a"]), DeliveryUncertain(1, 2, ["a", "b"], "ConnectionError")
    assert str(one) == (
        "The primary has it, but 0 of 1 replicas confirmed it in time, so a failover could lose it. "
        "Send it again with task_id='a': that is safe, and with another id it is another task. See: mgw doctor"
    )
    assert "1 of 2 replicas confirmed it (ConnectionError)" in str(many)
    assert "Send all 2 calls again with this error's task_ids" in str(many)
    assert str(pickle.loads(pickle.dumps(many))) == str(many)
    assert isinstance(one, OperationalError)
    assert not isinstance(one, RedisConnectionError)
