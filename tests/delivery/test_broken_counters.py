"""A counter that holds no number, or a key of another type in its place, costs no letter and no message."""

from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery.bounds import Bounds
from memory_graph_workers.delivery.broker.unacked import TAKE
from memory_graph_workers.delivery.counts import count_in_hash, number_of
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.keys import Keys
from redis.exceptions import ResponseError
from support.broker import Broker
from support.shared_broker import broker as broker
from support.shared_broker import running as running

KEYS = Keys("shop")
POT = KEYS.failures
JUNK = ["junk", "", "1.5", "0x10", "inf", "nan", "9" * 30, " 5"]


@pytest.fixture
def store(broker: Broker) -> DeadLetters:
    return DeadLetters(broker.redis, KEYS, Bounds(most=3))


def letter(number: int) -> DeadLetter:
    return DeadLetter(f"t{number}", Reason.FAILED, "work", payload={"args": [number], "kwargs": {}})


def size_of(broker: Broker) -> int:
    """How many bytes the letters have that are there."""
    return sum(map(len, broker.redis.hvals(POT.letters)))


@pytest.mark.parametrize("junk", JUNK)
def test_a_sum_that_is_no_number_keeps_no_letter_out_and_is_added_up_again(
    broker: Broker, store: DeadLetters, junk: str
) -> None:
    store.add(letter(1))
    broker.redis.set(POT.size_bytes, junk)
    store.add(letter(2))
    assert store.count() == 2
    assert number_of(broker.redis.get(POT.size_bytes)) == size_of(broker)
    broker.redis.set(POT.size_bytes, junk)
    assert store.remove("t1")
    assert number_of(broker.redis.get(POT.size_bytes)) == size_of(broker)
    broker.redis.set(POT.size_bytes, junk)
    store.groups()
    assert number_of(broker.redis.get(POT.size_bytes)) == size_of(broker)


def test_a_key_of_another_type_in_its_place_stays_and_keeps_no_letter_out(broker: Broker, store: DeadLetters) -> None:
    broker.redis.rpush(POT.size_bytes, "somebody's")
    for number in range(5):
        store.add(letter(number))
    assert store.count() == 3
    assert [found.count for found in store.groups()] == [3]
    assert store.remove("t4")
    assert broker.redis.lrange(POT.size_bytes, 0, -1) == [b"somebody's"]


def test_a_sum_that_was_deleted_is_added_up_again(broker: Broker, store: DeadLetters) -> None:
    store.add(letter(1))
    broker.redis.delete(POT.size_bytes)
    store.add(letter(2))
    store.groups()
    assert number_of(broker.redis.get(POT.size_bytes)) == size_of(broker)


@pytest.mark.parametrize("junk", JUNK)
def test_what_gave_way_is_counted_from_zero_again(broker: Broker, store: DeadLetters, junk: str) -> None:
    for number in range(4):
        store.add(letter(number))
    (group,) = broker.redis.hkeys(POT.gave_way)
    broker.redis.hset(POT.gave_way, group, junk)
    assert [found.gave_way for found in store.groups()] == [0]
    store.add(letter(4))
    assert store.count() == 3
    assert [found.gave_way for found in store.groups()] == [1]
    broker.redis.delete(POT.gave_way)
    broker.redis.set(POT.gave_way, "of another type")
    store.add(letter(5))
    assert store.count() == 3


@pytest.mark.parametrize("junk", JUNK)
def test_losses_are_counted_from_one_again(broker: Broker, store: DeadLetters, junk: str) -> None:
    broker.redis.set(KEYS.losses("a"), junk)
    assert [store.count_loss("a"), store.count_loss("a")] == [1, 2]
    broker.redis.delete(KEYS.losses("a"))
    broker.redis.rpush(KEYS.losses("a"), "x")
    assert store.count_loss("a") == 1
    assert broker.redis.ttl(KEYS.losses("a")) > 0


@pytest.mark.parametrize("junk", JUNK)
def test_permits_that_are_no_number_keep_the_message_on_its_queue(broker: Broker, junk: str) -> None:
    broker.redis.rpush("work", "{}")
    broker.redis.set("permits", junk)
    keys = ["index", "unacked", "work", "permits", "woken"]
    found: Any = broker.redis.eval(TAKE, len(keys), *keys, "tag", ',"","work"]', "")
    if junk == "9" * 30:  # a number, but not for Redis: the message is taken, and not lost
        assert found == [0, b"{}", 1]
        assert broker.redis.zcard("index") == broker.redis.hlen("unacked") == 1
    else:
        assert found == [-1, b"permits"]
        assert broker.redis.llen("work") == 1


def test_a_field_that_is_no_number_counts_from_zero_again() -> None:
    redis = fakeredis.FakeRedis()
    redis.hset("counts", "one", "junk")
    assert [count_in_hash(redis, "counts", "one", 2), count_in_hash(redis, "counts", "one")] == [2, 3]
    redis.set("other", "x")
    with pytest.raises(ResponseError, match=r"WRONGTYPE|wrong kind"):
        count_in_hash(redis, "other", "one")
    redis.close()
