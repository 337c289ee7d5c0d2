"""Dead letters in a Redis, also as the releases before groups wrote them."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Keys, Reason
from memory_graph_workers.delivery.timestamps import format_timestamp

# How the releases before groups wrote and removed a letter.
ADD_BEFORE = """
local before = redis.call('HSTRLEN', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], 'NX', ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[4], #ARGV[2] - before)
"""
REMOVE_BEFORE = """
if redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[1], ARGV[1])) <= 0 then redis.call('DEL', KEYS[4]) end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
"""
KEYS_BEFORE = ["shop:dead:letters", "shop:dead:by_time", "shop:dead:first_seen", "shop:dead:bytes"]


@pytest.fixture
def store(redis: fakeredis.FakeRedis) -> DeadLetters:
    return bounded(redis)


def bounded(redis: Any, **bounds: Any) -> DeadLetters:
    return DeadLetters(redis, Keys("shop"), Bounds(**bounds))


def letter(letter_id: str, task: str = "order", **changes: Any) -> DeadLetter:
    fields = {"reason": Reason.FAILED, "queue": "work", "payload": {"args": [letter_id], "kwargs": {}}, **changes}
    return DeadLetter(id=letter_id, task=task, **fields)


def add_as_before(redis: Any, old: DeadLetter) -> None:
    moment = datetime.now(UTC)
    written = json.dumps(asdict(replace(old, failed_at=format_timestamp(moment))))
    redis.eval(ADD_BEFORE, 4, *KEYS_BEFORE, old.id, written, moment.timestamp())


def told(store: DeadLetters) -> dict[str, int]:
    return {group.title: group.count for group in store.groups()}


def index_holds(redis: fakeredis.FakeRedis, pot: str = "shop:dead") -> bool:
    """Whether letters, groups and sums agree."""
    letters = {key.decode(): len(text) for key, text in redis.hgetall(f"{pot}:letters").items()}
    groups = {name: redis.zrange(f"{pot}:group:{name.decode()}", 0, -1) for name in keys(redis, pot, "by_count")}
    sizes = {name: sum(letters[one.decode()] for one in ids) for name, ids in groups.items()}
    return (
        sorted(one.decode() for ids in groups.values() for one in ids) == sorted(letters)
        and keys(redis, pot, "by_count") == {name: len(ids) for name, ids in groups.items()}
        and keys(redis, pot, "by_bytes") == sizes
        and int(redis.get(f"{pot}:bytes") or 0) == sum(letters.values())
        and redis.hlen(f"{pot}:group_of") == redis.zcard(f"{pot}:by_time") == len(letters)
    )


def keys(redis: fakeredis.FakeRedis, pot: str, order: str) -> dict[bytes, float]:
    return dict(redis.zrange(f"{pot}:groups_{order}", 0, -1, withscores=True))
