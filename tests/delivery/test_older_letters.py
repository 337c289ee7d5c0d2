"""Dead letters that older releases have left, or write beside this one, and processes killed among them."""

import time
from collections.abc import Callable
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery import DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.dead_letters.store import as_base64
from support.letter_store import KEYS_BEFORE, REMOVE_BEFORE, add_as_before, bounded, index_holds, letter, told
from support.letter_store import store as store


def test_letters_of_older_releases_stay_readable_and_are_counted_into_groups(
    store: DeadLetters, redis: fakeredis.FakeRedis
) -> None:
    for number in range(5):
        add_as_before(redis, letter(f"old{number}", error="ApiError"))
    add_as_before(redis, DeadLetter("junk", Reason.BROKEN_ENVELOPE, "work", payload={"base64": "AA" * 100_000}))
    store.add(letter("new", error="ApiError"))
    assert store.count() == 7
    assert {found.id for found in store.all()} == {"new", "junk", *(f"old{number}" for number in range(5))}
    assert told(store) == {"order failed ApiError": 6, "broken_envelope": 1}
    assert store.count() == 7
    junk = store.get("junk")
    assert junk is not None
    assert (junk.payload or {})["size_bytes"] == 150_000
    assert junk.failed_at < store.list(1)[0].failed_at
    assert redis.hlen("shop:dead:quarantine:letters") == 1
    assert index_holds(redis)


class Counting(fakeredis.FakeRedis):
    """Counts the scripts that it runs."""

    ran = 0

    def eval(self, *arguments: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.ran += 1
        return super().eval(*arguments)


@pytest.mark.parametrize(("count", "most_scripts"), [(1, 4), (450, 6), (1000, 9)])
def test_many_letters_of_older_releases_are_counted_in_few_steps(count: int, most_scripts: int) -> None:
    redis = Counting()
    for number in range(count):
        add_as_before(redis, letter(f"old{number}", f"task{number % 3}"))
    redis.ran = 0
    assert sum(group.count for group in bounded(redis).groups()) == count
    assert 0 < redis.ran <= most_scripts
    assert index_holds(redis)
    redis.close()


def test_older_and_newer_workers_side_by_side_leave_nothing_behind(
    store: DeadLetters, redis: fakeredis.FakeRedis
) -> None:
    for number in range(4):
        store.add(letter(f"t{number}"))
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t1")
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t2")
    add_as_before(redis, letter("t9", "refund"))
    assert told(store) == {"order failed": 2, "refund failed": 1}
    assert store.remove("t9")
    assert store.remove("t0")
    assert store.remove("t3")
    assert redis.keys() == []


def _swap(redis: Any) -> None:
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t1")
    add_as_before(redis, letter("t9"))


def _swap_in_another_group(redis: Any) -> None:
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t1")
    add_as_before(redis, letter("t9", "refund"))


def _write_again(redis: Any) -> None:
    add_as_before(redis, letter("t1"))


def _write_again_larger_for_another_reason(redis: Any) -> None:
    add_as_before(redis, letter("t1", reason=Reason.LOST_WORKER, message="x" * 1000))


def _write_again_as_junk(redis: Any) -> None:
    add_as_before(redis, letter("t1", reason=Reason.UNDECODABLE, payload={"base64": "AA" * 100}))


def _remove(redis: Any) -> None:
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t1")
    redis.eval(REMOVE_BEFORE, 4, *KEYS_BEFORE, "t2")


def _leave_a_place_without_a_letter(redis: Any) -> None:
    redis.zadd(KEYS_BEFORE[1], {"lost": time.time()})


def _leave_a_group_without_a_name(redis: Any) -> None:
    redis.hset("shop:dead:group_of", "t1", "")
    redis.zrem('shop:dead:group:["order", "failed", null]', "t1")
    redis.zadd("shop:dead:group:", {"t1": redis.zscore(KEYS_BEFORE[1], "t1")})
    redis.zadd("shop:dead:groups_by_count", {"": 1, '["order", "failed", null]': 3})
    redis.zadd("shop:dead:groups_by_bytes", {"": 0})


def _count_bytes_that_are_gone(redis: Any) -> None:
    redis.zincrby("shop:dead:groups_by_bytes", 4000, '["order", "failed", null]')


OLDER_WORK = [
    _swap,
    _swap_in_another_group,
    _write_again,
    _write_again_larger_for_another_reason,
    _write_again_as_junk,
    _remove,
    _leave_a_place_without_a_letter,
    _leave_a_group_without_a_name,
    _count_bytes_that_are_gone,
]


@pytest.mark.parametrize("work", OLDER_WORK)
@pytest.mark.parametrize("then", [None, *OLDER_WORK[:6]])
def test_the_next_listing_mends_what_an_older_worker_did_beside_this_one(
    store: DeadLetters, redis: fakeredis.FakeRedis, work: Callable[[Any], None], then: Callable[[Any], None] | None
) -> None:
    for number in range(4):
        store.add(letter(f"t{number}"))
    work(redis)
    if then:
        then(redis)
    found = told(store)
    assert index_holds(redis)
    assert index_holds(redis, "shop:dead:quarantine")
    assert sum(found.values()) == store.count()
    assert all(store.remove_entry(entry) for entry in store.entries())
    assert redis.keys() == []


def test_what_changes_between_looking_and_counting_is_counted_the_next_time(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis)
    add_as_before(redis, letter("t0"))
    pot = store._failures
    (stray,) = pot.strays()
    add_as_before(redis, letter("t0", "refund"))
    pot.regroup([(*stray, '["order", "failed", null]', "work")])
    assert told(store) == {"refund failed": 1}
    assert index_holds(redis)


# Letters of three causes, as this release keeps them.
MANY = """
for number = ARGV[1], ARGV[2] do
    local id = string.format('%08d-4b1c-7d4e-8f00-%012d', number, number)
    local text = string.format('{"id": "%s", "reason": "failed", "queue": "work", "task": "order"}', id)
    local group = string.format('["order", "failed", "E%d"]', number % 3)
    redis.call('HSET', 'shop:dead:letters', id, text)
    redis.call('ZADD', 'shop:dead:by_time', 1700000000 + number / 7, id)
    redis.call('ZADD', 'shop:dead:first_seen', 1700000000 + number / 7, id)
    redis.call('INCRBY', 'shop:dead:bytes', #text)
    redis.call('HSET', 'shop:dead:group_of', id, group)
    redis.call('ZADD', 'shop:dead:group:' .. group, 1700000000 + number / 7, id)
    redis.call('ZINCRBY', 'shop:dead:groups_by_count', 1, group)
    redis.call('ZINCRBY', 'shop:dead:groups_by_bytes', #text, group)
    redis.call('HSET', 'shop:dead:group_queues', group, 'work')
end
"""


def busy_secs(redis: Any) -> float:
    """How long a server has been busy."""
    used = redis.info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]


def test_a_hundred_thousand_letters_are_listed_in_a_second_beside_older_workers(broker: Any) -> None:
    for first in range(0, 100_000, 1000):
        broker.redis.eval(MANY, 0, first, first + 999)
    store = bounded(broker.redis, most=200_000)
    for number in (0, 20):
        for one in range(number):
            add_as_before(broker.redis, letter(f"t{one}", "refund"))
        started = time.process_time() + busy_secs(broker.redis)  # not the clock: other work may share the machine
        assert sum(told(store).values()) == 100_000 + number
        assert time.process_time() + busy_secs(broker.redis) - started < 1
    assert index_holds(broker.redis)


def test_the_bounds_also_hold_for_what_older_releases_have_left(redis: fakeredis.FakeRedis) -> None:
    for number in range(10):
        add_as_before(redis, letter(f"old{number}"))
    store = bounded(redis, most=4)
    store.keep_bounds()
    assert store.count() == 4
    assert index_holds(redis)


class Killed(Exception):
    """The process ended here."""


class Mortal:
    """A Redis client whose process is killed at its n-th command."""

    def __init__(self, redis: fakeredis.FakeRedis, left: int) -> None:
        self._redis, self._left = redis, left

    def __getattr__(self, name: str) -> Any:
        command = getattr(self._redis, name)

        def run(*arguments: Any, **options: Any) -> Any:
            if self._left == 0:
                raise Killed
            self._left -= 1
            return command(*arguments, **options)

        return run


def _write(store: DeadLetters) -> None:
    store.add(letter("new"))


def _replace(store: DeadLetters) -> None:
    store.add(letter("t3", reason=Reason.EXPIRED))


def _regroup(store: DeadLetters) -> None:
    store.keep_bounds()


@pytest.mark.parametrize("work", [_write, _replace, _regroup])
def test_whoever_is_killed_at_any_command_loses_no_letter(work: Callable[[DeadLetters], None]) -> None:
    for left in range(100):
        redis = fakeredis.FakeRedis()
        for number in range(4):
            add_as_before(redis, letter(f"t{number}"))
        add_as_before(redis, DeadLetter("junk", Reason.UNDECODABLE, "work", payload=as_base64(b"x")))
        try:
            work(bounded(Mortal(redis, left), most=100))
            break
        except Killed:
            whole = bounded(redis, most=100)
            whole.keep_bounds()
            assert {f"t{number}" for number in range(4)} | {"junk"} <= set(whole.ids())
            assert index_holds(redis)
            assert index_holds(redis, "shop:dead:quarantine")
            work(whole)
            assert index_holds(redis)
    else:
        pytest.fail("it never ended")
