"""A move to other names loses nothing and brings nothing twice, wherever it is killed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from memory_graph_workers.delivery import DeadLetter, Keys, Reason
from memory_graph_workers.delivery.moving import Move, Side
from support.broker import Broker

KEYS = Keys("shop", "unacked")
TIMEOUT_SECS = 60
LISTS = ("work", "work\x06\x163")
ITEMS = {"work": [b"3", b"no message \xff", b"1"], "work\x06\x163": [b"x", b"y"]}


class Killed(BaseException):
    """In the place of SIGKILL: no code of ours goes on after it."""


class Mortal:
    """A client that ends with the process before or after a command; scripts, too, run by it."""

    def __init__(self, redis: Any, clock: "Clock") -> None:
        self._redis, self._clock = redis, clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._redis, name)
        if name == "register_script":
            return lambda text: self._mortal(found(text))
        return found if name == "pipeline" else self._mortal(found)

    def _mortal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            self._clock.tick()
            response = call(*args, **options)
            self._clock.tick()
            return response

        return called


class Clock:
    """Counts the points at which a process may be killed or stand still, and acts at one of them."""

    def __init__(self, last: int, act: Callable[[], None]) -> None:
        self.last, self._act = last, act

    def tick(self) -> None:
        self.last -= 1
        if self.last == -1:
            self._act()


def kill() -> None:
    raise Killed


@pytest.fixture
def other(broker: Broker, archive: Broker) -> Broker:
    archive.start()
    return archive


def side(redis: Any, key_prefix: str) -> Side:
    return Side(redis, redis, key_prefix, KEYS)


def empty(broker: Broker) -> None:
    if names := broker.redis.keys("*"):
        broker.redis.delete(*names)


def fill(broker: Broker) -> None:
    """What a fleet without prefix leaves: messages, a countdown, a dead worker's message, one that runs."""
    empty(broker)
    now = broker.redis.time()[0]
    for name, items in ITEMS.items():
        for item in reversed(items):
            broker.redis.rpush(name, item)
    stamps = {"parked:1": now + 900, "dead": now - 3 * TIMEOUT_SECS, "alive": now, "no note": now - 3 * TIMEOUT_SECS}
    broker.redis.zadd("unacked_index", stamps)
    broker.redis.hset("unacked", mapping={tag: f"note of {tag}" for tag in ("parked:1", "dead", "alive")})
    letters = side(broker.redis, "").letters
    letters.add(
        DeadLetter("1", Reason.FAILED, "work", "pay", "Refused", "refused", payload={"args": [1], "kwargs": {}})
    )
    letters.add(DeadLetter("2", Reason.EXPIRED, "work", "pay", payload={"args": ["x" * 1000], "kwargs": {}}))
    letters.quarantine(b"junk", "work")


def all_of(move: Move) -> None:
    for moving in (move.letters(), move.in_flight(TIMEOUT_SECS), *map(move.messages, LISTS)):
        for _ in moving:
            pass


def lists(redis: Any, key_prefix: str) -> dict[str, list[bytes]]:
    """Each list of the queue, in the order in which its messages are taken."""
    return {name: redis.lrange(f"{key_prefix}{name}", 0, -1)[::-1] for name in LISTS}


def in_flight(redis: Any, key_prefix: str) -> dict[bytes, tuple[float, bytes]]:
    index: Any = redis.zrange(f"{key_prefix}unacked_index", 0, -1, withscores=True)
    return {tag: (time, redis.hget(f"{key_prefix}unacked", tag)) for tag, time in index}


@pytest.mark.parametrize("is_killed", [True, False])
def test_wherever_a_move_is_killed_or_another_one_runs_each_item_comes_once(
    broker: Broker, other: Broker, is_killed: bool
) -> None:
    point, clock = 0, Clock(-1, kill)
    while clock.last < 0:
        fill(broker)
        empty(other)
        whole = Move(side(broker.redis, ""), side(other.redis, "{mgw}:"))
        letters, groups = list(whole.source.letters.all()), whole.source.letters.groups()
        noted = in_flight(broker.redis, "")
        clock = Clock(point, kill if is_killed else partial(all_of, whole))
        try:
            all_of(Move(side(Mortal(broker.redis, clock), ""), side(Mortal(other.redis, clock), "{mgw}:")))
        except Killed:
            all_of(whole)
        assert lists(other.redis, "{mgw}:") == ITEMS
        assert in_flight(other.redis, "{mgw}:") == {tag: noted[tag] for tag in (b"parked:1", b"dead")}
        assert in_flight(broker.redis, "") == {b"alive": noted[b"alive"]}
        assert list(whole.target.letters.all()) == letters
        assert whole.target.letters.groups() == groups
        assert set(broker.redis.keys("*")) == {b"unacked", b"unacked_index"}
        point += 1
    assert point > 40


def test_messages_go_in_slices_that_fit_in_memory(broker: Broker) -> None:
    move = Move(side(broker.redis, ""), side(broker.redis, "blue:"))
    broker.redis.lpush("work", b"x" * 9_000_000, b"y" * 5_000_000, b"z" * 5_000_000, *([b"small"] * 600))
    assert list(move.messages("work")) == [1, 1, 500, 101]
    assert broker.redis.llen("blue:work") == 603


def test_a_letter_of_a_later_failure_stays(broker: Broker) -> None:
    old, new = side(broker.redis, ""), side(broker.redis, "blue:")
    old.letters.add(DeadLetter("1", Reason.FAILED, "work", message="first"))
    new.letters.add(DeadLetter("1", Reason.FAILED, "work", message="second"))
    all_of(Move(old, new))
    assert [letter.message for letter in new.letters.all()] == ["second"]
    assert old.letters.count() == 0


def test_a_record_is_moved_as_it_is_and_what_the_target_has_of_it_stays(broker: Broker) -> None:
    redis, move = broker.redis, Move(side(broker.redis, ""), side(broker.redis, "blue:"))
    redis.hset("record", mapping={str(number): "old" for number in range(2000)})
    redis.hset("blue:record", "7", "new")
    redis.set("asked", "1", ex=500)
    assert move.record("record")
    assert move.record("asked")
    assert not move.record("missing")
    assert redis.hget("blue:record", "7") == b"new"
    assert redis.hlen("blue:record") == 2000
    assert 400 < redis.ttl("blue:asked") <= 500
    assert set(redis.keys("*")) == {b"blue:record", b"blue:asked"}


def test_a_worker_of_any_release_is_seen_at_the_source(broker: Broker) -> None:
    old = side(broker.redis, "")
    assert not old.workers()
    broker.redis.set(KEYS.leader, "one of 0.1.0")
    assert old.workers() == 1
    now = broker.redis.time()[0]
    broker.redis.zadd(KEYS.workers, {"one": now + 9, "two": now + 9, "gone": now - 60})
    assert old.workers() == 2


def test_what_people_decided_counts_at_the_target_before_its_messages_come_and_no_longer_at_the_source(
    broker: Broker, other: Broker
) -> None:
    move = Move(side(broker.redis, ""), side(other.redis, "{mgw}:"))
    source, target = move.source.holds, move.target.holds
    source.hold_by_hand("work", "alice", "x")
    source.hold_by_hand("mails", "alice", "x")
    source.release_by_hand("orders", "bob", "y")
    target.release_by_hand("mails", "carol", "z")  # who decided there stays right
    for _ in range(2):  # a move may be repeated
        move.decisions()
        assert other.redis.keys("*hold:queue:*") == [b"{mgw}:shop:hold:queue:work"]
        assert other.redis.get("{mgw}:shop:hold:queue:work") == b"-1"
        move.record(KEYS.by_hand)
    assert {queue: (one.is_held, one.by) for queue, one in target.by_hand().items()} == {
        "work": (True, "alice"),
        "mails": (False, "carol"),
        "orders": (False, "bob"),
    }
    assert broker.redis.keys("*") == []
