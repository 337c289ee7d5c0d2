"""Dead letters in groups: what a storm costs, what junk costs, and what is unreadable."""

import hashlib
import time

import fakeredis
import pytest
from memory_graph_workers.delivery import DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.dead_letters.store import as_base64
from support.letter_store import (
    ADD_BEFORE,
    KEYS_BEFORE,
    bounded,
    index_holds,
    letter,
    told,
)
from support.letter_store import store as store


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


def test_groups_and_ids_are_told_without_reading_a_letter(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    for number in range(3):
        store.add(letter(f"t{number}"))
    store.quarantine(b"junk", "work")
    before = told(store), store.ids()
    redis.delete("shop:dead:letters", "shop:dead:quarantine:letters")
    assert (told(store), store.ids()) == before
    assert store.ids()[:3] == ["t2", "t1", "t0"]
    assert not store.has("t0")


@pytest.mark.parametrize("text", ["not json", "[]", '{"reason": "of tomorrow"}', '{"id": "x"}', "7"])
def test_an_unreadable_letter_hides_no_other(store: DeadLetters, redis: fakeredis.FakeRedis, text: str) -> None:
    store.add(letter("good"))
    redis.eval(ADD_BEFORE, 4, *KEYS_BEFORE, "bad", text, time.time())
    assert sum(told(store).values()) == 2
    assert {found.id for found in store.all()} == {"good", "bad"}
    assert all(store.remove_entry(entry) for entry in store.entries())
