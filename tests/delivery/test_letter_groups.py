"""Dead letters in groups: what a storm costs, what junk costs, and what older releases have left."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Keys, Reason
from memory_graph_workers.delivery.dead_letters.store import as_base64
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


def test_letters_of_one_cause_are_one_group_with_its_first_its_last_and_a_sample(store: DeadLetters) -> None:
    for number in range(3):
        store.add(letter(f"a{number}", error="ApiError"))
    store.add(letter("b", "refund", reason=Reason.EXPIRED))
    storm, other = store.groups()
    assert (storm.task, storm.reason, storm.error, storm.count, storm.sample) == (
        "order",
        Reason.FAILED,
        "ApiError",
        3,
        "a2",
    )
    assert storm.first is not None
    assert storm.last is not None
    assert storm.first < storm.last
    assert (other.title, other.count, other.queue) == ("refund expired", 1, "work")
    assert [entry.id for entry in store.entries([storm])] == ["a2", "a1", "a0"]
    assert [found.id for found in store.read(store.entries([other]))] == ["b"]


def test_groups_follow_what_is_replaced_and_removed(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    for number in range(4):
        store.add(letter(f"a{number}"))
    store.add(letter("a1", reason=Reason.LOST_WORKER))
    assert store.remove("a2")
    assert told(store) == {"order failed": 2, "order lost_worker": 1}
    assert index_holds(redis)
    for entry in store.entries():
        assert store.remove_entry(entry)
    assert redis.keys() == []


@pytest.mark.parametrize("bounds", [{"most": 20}, {"most_bytes": 9_000}])
@pytest.mark.parametrize("storm", [1, 300])
def test_a_storm_costs_no_other_group_a_letter_and_what_gave_way_is_counted(
    redis: fakeredis.FakeRedis, bounds: dict[str, int], storm: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = bounded(redis, **bounds)
    for number in range(4):
        store.add(letter(f"old{number}", f"task{number % 2}"))
    for number in range(storm):
        store.add(letter(f"storm{number}", "usage", error="ApiError"))
    assert {f"old{number}" for number in range(4)} < set(store.ids())
    assert store.ids()[0] == f"storm{storm - 1}"
    gave_way = {group.title: group.gave_way for group in store.groups() if group.gave_way}
    lost = storm + 4 - store.count()
    assert gave_way == ({"usage failed ApiError": lost} if lost else {})
    assert len([record for record in caplog.records if "a bound is reached" in record.getMessage()]) == lost
    assert (lost > 250) is (storm == 300)
    assert index_holds(redis)


def test_one_large_letter_costs_no_other_group_a_letter(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis, most_bytes=20_000)
    for number in range(10):
        store.add(letter(f"small{number}"))
    for number in range(3):
        store.add(letter(f"large{number}", "archive", message="x" * 15_000))
    assert {f"small{number}" for number in range(10)} | {"large2"} == set(store.ids())


def test_groups_of_one_letter_each_give_way_oldest_first(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis, most=3)
    for number in range(5):
        store.add(letter(f"t{number}", f"task{number}"))
    assert store.ids() == ["t4", "t3", "t2"]


def test_invented_names_of_tasks_make_one_group(store: DeadLetters) -> None:
    for number in range(5):
        store.add(letter(f"t{number}", f"invented{number}", reason=Reason.UNKNOWN_TASK))
        store.add(letter(f"m{number}", f"invented{number}", reason=Reason.INVALID_MESSAGE))
    assert told(store) == {"unknown_task": 5, "invalid_message": 5}


def test_what_gave_way_is_forgotten_after_the_days_or_on_demand(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis, most=1)
    for number in range(3):
        store.add(letter(f"t{number}"))
    assert [group.gave_way for group in store.gave_way()] == [2]
    redis.zadd("shop:dead:gave_way_at", {'["order", "failed", null]': 1.0})
    store.keep_bounds()
    assert store.gave_way() == []
    store.add(letter("t3"))
    store.forget_gave_way()
    assert store.gave_way() == []


@pytest.mark.parametrize("kind", ["broken", "undecodable", "invalid", "bytes of a lost worker"])
def test_junk_never_costs_a_genuine_letter(redis: fakeredis.FakeRedis, kind: str) -> None:
    store = bounded(redis, most=30, most_bytes=20_000, quarantine_most=2, quarantine_bytes=10_000)
    for number in range(20):
        store.add(letter(f"t{number}"))
    for number in range(40):
        raw = bytes([number]) * 7_000
        if kind == "broken":
            store.quarantine(raw, "work")
        elif kind == "undecodable":
            store.add(DeadLetter(f"t{number}", Reason.UNDECODABLE, "work", payload=as_base64(raw)))
        elif kind == "invalid":
            store.add(letter(f"t{number}", reason=Reason.INVALID_MESSAGE))
        else:
            store.add(DeadLetter(f"t{number}", Reason.LOST_WORKER, "work", payload=as_base64(raw)))
    assert redis.hlen("shop:dead:letters") == 20
    assert 0 < redis.hlen("shop:dead:quarantine:letters") <= 2
    assert all((found := store.get(f"t{number}")) and found.reason is Reason.FAILED for number in range(20))
    assert index_holds(redis)
    assert index_holds(redis, "shop:dead:quarantine")


@pytest.mark.parametrize("size_bytes", [0, 100, 65_536, 65_537, 2_000_000])
def test_large_junk_keeps_its_beginning_its_size_and_its_digest(store: DeadLetters, size_bytes: int) -> None:
    raw = bytes(size_bytes)
    kept = store.get(store.quarantine(raw, "work"))
    assert kept is not None
    assert kept.payload is not None
    if size_bytes <= 65_536:
        assert kept.payload == as_base64(raw)
        assert "size_bytes" not in kept.payload
    else:
        assert len(kept.payload["base64"]) < 90_000
        assert kept.payload["size_bytes"] == size_bytes
        assert kept.payload["sha256"] == hashlib.sha256(raw).hexdigest()


def test_a_tasks_payload_is_kept_whole(store: DeadLetters) -> None:
    text = "\ud800ü" * 400_000
    store.add(letter("t", payload={"args": [text], "kwargs": {}}))
    kept = store.get("t")
    assert kept is not None
    assert kept.payload == {"args": [text], "kwargs": {}}


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


def test_groups_and_ids_are_told_without_reading_a_letter(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    for number in range(3):
        store.add(letter(f"t{number}"))
    store.quarantine(b"junk", "work")
    before = told(store), store.ids()
    redis.delete("shop:dead:letters", "shop:dead:quarantine:letters")
    assert (told(store), store.ids()) == before
    assert store.ids()[:3] == ["t2", "t1", "t0"]
    assert not store.has("t0")


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
    for first in range(0, 100_000, 5000):
        broker.redis.eval(MANY, 0, first, first + 4999)
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


@pytest.mark.parametrize("text", ["not json", "[]", '{"reason": "of tomorrow"}', '{"id": "x"}', "7"])
def test_an_unreadable_letter_hides_no_other(store: DeadLetters, redis: fakeredis.FakeRedis, text: str) -> None:
    store.add(letter("good"))
    redis.eval(ADD_BEFORE, 4, *KEYS_BEFORE, "bad", text, time.time())
    assert sum(told(store).values()) == 2
    assert {found.id for found in store.all()} == {"good", "bad"}
    assert all(store.remove_entry(entry) for entry in store.entries())


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
