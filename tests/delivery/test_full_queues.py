"""A queue is held, if the app asks for it, while one kind of its dead letters fills a quarter of a bound."""

from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Keys, Reason
from memory_graph_workers.delivery.held_queues.limits import FullQueues

KEYS = Keys("shop")


class Scene:
    """A store with bounds, and what was permitted last."""

    def __init__(self, redis: fakeredis.FakeRedis, *, wanted: bool = True, **bounds: int) -> None:
        self.letters, self.holds = DeadLetters(redis, KEYS, Bounds(**bounds)), HoldStore(redis, KEYS)
        self.permits: dict[str, int | None] = {}
        self.full = FullQueues(self.letters, self.holds, self.permits.__setitem__, wanted=wanted)

    def fail(self, count: int, queue: str = "work", reason: Reason = Reason.FAILED, size: int = 10) -> None:
        for number in range(count):
            self.letters.add(DeadLetter(f"{queue}-{number}", reason, queue, task=queue, message="x" * size))

    def turn(self) -> dict[str, int | None]:
        self.full.turn()
        return self.permits


@pytest.mark.parametrize(("bounds", "count", "size"), [({"most": 20}, 5, 10), ({"most_bytes": 40_000}, 1, 10_000)])
def test_a_queue_is_held_until_its_letters_have_room(
    redis: fakeredis.FakeRedis, bounds: dict[str, int], count: int, size: int
) -> None:
    scene = Scene(redis, **bounds)
    scene.fail(count - 1, size=size)
    assert scene.turn() == {}
    scene.fail(count, size=size)
    assert scene.turn() == {"work": 0}
    hold = scene.holds.full("work")
    assert hold is not None
    assert (hold.service, hold.permits) == ("dead letters", 0)
    scene.full.limit("work", 8)
    assert scene.permits == {"work": 0}
    scene.letters.remove("work-0")
    assert scene.turn() == {"work": None}
    assert scene.holds.full("work") is None
    scene.full.limit("work", 8)
    assert scene.permits == {"work": 8}


@pytest.mark.parametrize("since", [b"", b"junk\x1b", b"\xff", b"2026-11-30T00:00:00", b"0001-01-01T00:00:00+23:59"])
def test_a_broken_record_holds_its_queue(redis: fakeredis.FakeRedis, since: bytes) -> None:
    redis.hset(KEYS.full, "work", since)
    redis.hset(KEYS.hold("bank"), mapping={"since": since, "permits": 0, "why": "it is down"})
    scene = Scene(redis)
    for hold in (scene.holds.full("work"), scene.holds.get("bank")):
        assert hold is not None
        assert hold.since <= datetime.now(UTC)


def test_nothing_is_held_unless_the_app_asks_for_it_and_a_hold_ends_with_the_setting(
    redis: fakeredis.FakeRedis,
) -> None:
    asked = Scene(redis, most=4)
    asked.fail(4)
    assert asked.turn() == {"work": 0}
    assert Scene(redis, wanted=False, most=4).turn() == {"work": None}


def test_many_kinds_and_junk_hold_no_queue(redis: fakeredis.FakeRedis) -> None:
    scene = Scene(redis, most=40, quarantine_most=4)
    for queue in ("a", "b", "c"):
        scene.fail(9, queue)
    scene.fail(4, "junk", Reason.UNDECODABLE)
    assert scene.turn() == {}


def test_another_leader_frees_what_the_first_one_held(redis: fakeredis.FakeRedis) -> None:
    first = Scene(redis, most=4)
    first.fail(1)
    assert first.turn() == {"work": 0}
    first.letters.remove("work-0")
    assert Scene(redis, most=4).turn() == {"work": None}


@pytest.mark.parametrize("permits", [0, 1, 8])
def test_a_limit_that_no_release_sets_again_ends_after_an_hour(broker: Any, channel: Any, permits: int) -> None:
    channel.set_permits("work", permits)
    (key,) = broker.redis.keys("*:hold:queue:work")
    assert 3590 < broker.redis.ttl(key) <= 3600
    assert channel.may_start("work", permitted=False) is (permits > 0)
    assert broker.redis.ttl(key) > 3590
    broker.redis.expire(key, 5)
    channel.set_permits("work", permits)  # as the leading worker does every second
    assert broker.redis.ttl(key) > 3590
    channel.set_permits("work", None)
    assert not broker.redis.exists(key)
