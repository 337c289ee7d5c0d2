"""The store of what ended in failure."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fakeredis
import pytest
from kombu.utils.json import loads
from memory_graph_workers.delivery.bounds import Bounds
from memory_graph_workers.delivery.broker.quarantine import Quarantine
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.keys import Keys
from memory_graph_workers.delivery.messages.attempts import was_lost
from memory_graph_workers.delivery.worker.failures import failure

RAW = b"\x00 not json"


@pytest.fixture
def store(redis: fakeredis.FakeRedis) -> DeadLetters:
    return DeadLetters(redis, Keys("shop"))


def letter(number: int = 0, reason: Reason = Reason.FAILED) -> DeadLetter:
    return DeadLetter(id=f"t{number}", reason=reason, queue="work", payload={"args": [number], "kwargs": {}})


def test_keeps_a_letter_whole(store: DeadLetters) -> None:
    sent = DeadLetter(
        id="t1",
        reason=Reason.INVALID_PAYLOAD,
        queue="work",
        task="memory_graph.vault.archive_session",
        error="ValidationError",
        fields={"id": ["Missing."]},
        attempts=1,
        payload={"args": [], "kwargs": {"x": "\ud800"}},
    )
    store.add(sent)
    kept = store.get("t1")
    assert kept is not None
    assert (kept.task, kept.reason, kept.fields, kept.payload) == (sent.task, sent.reason, sent.fields, sent.payload)
    assert kept.first_seen.endswith("Z")
    assert kept.failed_at.endswith("Z")


def test_keeps_one_letter_a_task_with_the_newer_reason(store: DeadLetters) -> None:
    store.add(letter())
    first_seen = store.list()[0].first_seen
    store.add(letter(reason=Reason.HARD_TIME_LIMIT))
    (kept,) = store.list()
    assert kept.reason is Reason.HARD_TIME_LIMIT
    assert kept.first_seen == first_seen


def test_lists_the_newest_first_in_pages(store: DeadLetters) -> None:
    for number in range(5):
        store.add(letter(number))
    assert [found.id for found in store.list(2)] == ["t4", "t3"]
    assert [found.id for found in store.list(2, offset=4)] == ["t0"]
    assert store.list(0) == []
    assert store.count() == 5


def test_quarantines_bytes_once_for_a_person_to_look_at(store: DeadLetters) -> None:
    first, second = store.quarantine(RAW, "work"), store.quarantine(RAW, "work")
    kept = store.get(first)
    assert first == second != store.quarantine(RAW, "other")
    assert kept is not None
    assert (kept.reason, kept.payload) == (Reason.BROKEN_ENVELOPE, {"base64": "ACBub3QganNvbg=="})


def test_removes_every_trace_of_a_letter(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    store.add(letter())
    store.count_loss("t0")
    assert store.remove("t0")
    assert not store.remove("t0")
    assert store.get("t0") is None
    assert redis.keys() == []


@pytest.mark.parametrize(
    "name", ["by_time", "first_seen", "group_of", "groups_by_count", "groups_by_bytes", "size_bytes"]
)
def test_junk_among_the_keys_hides_no_letter(store: DeadLetters, redis: fakeredis.FakeRedis, name: str) -> None:
    store.add(letter())
    key = getattr(Keys("shop").failures, name)
    if name == "size_bytes":
        redis.set(key, "junk")
    elif name == "group_of":
        redis.hset(key, b"\xff", b"\xfe")
    else:
        redis.zadd(key, {b"\xff": float("inf"), "t0": 1e300})
    assert letter().id in [entry.id for entry in store.entries()]
    assert letter().id in [found.id for found in store.read(store.entries())]
    assert store.groups()
    DeadLetters(redis, Keys("shop"), Bounds()).warning()


def test_counts_losses_by_task_and_not_for_ever(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    assert [store.count_loss("a"), store.count_loss("a"), store.count_loss("b")] == [1, 2, 1]
    assert 0 < int(redis.ttl("shop:dead:losses:a")) <= 7 * 86_400
    store.forget_losses("a")
    assert store.count_loss("a") == 1


def test_stores_letters_as_json(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    store.add(letter())
    assert json.loads(redis.hget("shop:dead:letters", "t0") or "")["reason"] == "failed"


def bounded(redis: fakeredis.FakeRedis, **bounds: int) -> DeadLetters:
    return DeadLetters(redis, Keys("shop"), Bounds(**bounds))


def age(redis: fakeredis.FakeRedis, letter_id: str, days: float) -> None:
    """Let a letter have come some days ago."""
    redis.zadd("shop:dead:by_time", {letter_id: time.time() - days * 86_400})


def test_drops_the_oldest_beyond_the_number_and_names_them_in_the_log(
    redis: fakeredis.FakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    store = bounded(redis, most=3)
    for number in range(5):
        store.add(letter(number))
    assert [found.id for found in store.list()] == ["t4", "t3", "t2"]
    assert [record.getMessage().split()[2] for record in caplog.records] == ["t0", "t1"]


def test_drops_the_oldest_beyond_the_bytes_but_never_the_newest(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis, most_bytes=2000)
    for number in range(20):
        store.add(letter(number))
    kept = store.list()
    assert kept[0].id == "t19"
    assert sum(map(len, redis.hvals("shop:dead:letters"))) <= 2000
    store.add(replace(letter(20), message="x" * 3000))
    assert [found.id for found in store.list()] == ["t20"]


def test_counts_the_bytes_of_what_is_there(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    store.add(letter())
    store.add(replace(letter(), message="longer than before"))
    store.add(letter(1))
    store.remove("t1")
    assert int(redis.get("shop:dead:bytes") or 0) == redis.hstrlen("shop:dead:letters", "t0")


def test_drops_what_is_too_old_though_nothing_fails_any_more(redis: fakeredis.FakeRedis) -> None:
    store = bounded(redis, kept_days=10)
    store.add(letter(1))
    store.add(letter(2))
    age(redis, "t1", 11)
    store.keep_bounds()
    assert [found.id for found in store.list()] == ["t2"]


def test_warns_before_it_drops(redis: fakeredis.FakeRedis, caplog: pytest.LogCaptureFixture) -> None:
    store = bounded(redis, most=5, kept_days=10)
    for number in range(3):
        store.add(letter(number))
    assert store.warning() is None
    store.add(letter(3))
    assert "4 of 5 letters" in (store.warning() or "")
    age(redis, "t0", 9)
    store.keep_bounds()
    assert "9 of 10 days old" in caplog.text
    assert store.count() == 4


def test_keeps_a_letter_that_failed_again_since_it_was_read(store: DeadLetters) -> None:
    store.add(letter())
    (first,) = store.list()
    store.add(letter())
    assert not store.remove("t0", failed_at=first.failed_at)
    assert store.remove("t0", failed_at=store.list()[0].failed_at)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"messages": {"number": ["Missing."]}}, {"number": ["Missing."]}),
        ({"fields": {"sold_until": "2027-01-01"}}, {"sold_until": "2027-01-01"}),
        ({"messages": None, "fields": {"a": "b"}}, {"a": "b"}),
        ({"messages": {"number": ["Missing."]}, "fields": {"a": "b"}}, {"number": ["Missing."]}),
        ({"fields": ("not", "json")}, None),
        ({"fields": {}}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("showable", [True, False])
def test_a_letter_keeps_what_a_showable_error_says_in_fields(given: Any, kept: Any, showable: bool) -> None:
    error = type("Sold", (Exception,), {"showable": showable, **given})("sold")
    assert failure(error)["fields"] == (kept if showable else None)


def test_one_at_a_time_replays_a_letter(store: DeadLetters) -> None:
    with store.replaying("t0") as mine, store.replaying("t0") as other:
        assert (mine, other) == (True, False)
    with store.replaying("t0") as again:
        assert again


def test_reads_what_a_newer_release_wrote(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    store.add(letter())
    kept = json.loads(redis.hget("shop:dead:letters", "t0") or "")
    redis.hset("shop:dead:letters", "t0", json.dumps({**kept, "mood": "grim"}))
    assert store.get("t0") is not None


@pytest.mark.parametrize("value", [datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7), Decimal("1.50"), b"\xff\x00"])
def test_keeps_a_call_with_values_that_only_kombu_writes(store: DeadLetters, value: Any) -> None:
    store.add(replace(letter(1), payload={"args": [value], "kwargs": {}, "options": {"headers": {"at": value}}}))
    kept = store.get("t1")
    assert kept is not None
    assert kept.payload is not None
    assert loads(json.dumps(kept.payload))["args"] == [value]  # what a worker of the replay decodes


def test_keeps_something_of_a_call_that_nobody_writes_as_json(store: DeadLetters) -> None:
    store.add(replace(letter(1), payload={"args": [{1, 2}, object()], "kwargs": {}}))
    kept = store.get("t1")
    assert kept is not None
    assert kept.reason == Reason.FAILED


@pytest.mark.parametrize(
    ("eta", "returned", "started", "lost"),
    [
        (None, False, False, True),  # whether its worker had started it nobody knows
        ("2001-01-01T00:00:00+00:00", False, False, True),
        ("2999-01-01T00:00:00+00:00", False, False, False),
        (None, True, True, True),
        (None, True, False, False),
    ],
)
def test_a_message_that_comes_back_says_whether_an_attempt_may_be_lost(
    store: DeadLetters, eta: str | None, returned: bool, started: bool, lost: bool
) -> None:
    properties = {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "work"}}
    message = {"body": "", "headers": {"id": "t", "task": "good", "eta": eta}, "properties": properties}
    noted, quarantine = json.dumps([message, "", "work"]).encode(), Quarantine(store, 1 << 20)
    found = quarantine.returnable(noted, started=started) if returned else quarantine.restorable(noted)
    assert found is not None
    assert was_lost(found.envelope["headers"]) is lost


@pytest.mark.parametrize(
    "item",
    [
        b'{"__type__": "datetime", "__value__": 5}',
        b'{"__type__": "decimal", "__value__": "x"}',
        b"[" * 5000,
        b"\xff",
        b"5",
        b"[1, 2, 3]",
    ],
)
def test_junk_among_in_flight_messages_is_set_aside_and_raises_nothing(store: DeadLetters, item: bytes) -> None:
    quarantine = Quarantine(store, 1 << 20)
    for noted in (item, b'[%s, "", "work"]' % item):
        assert quarantine.restorable(noted) is None
        assert quarantine.returnable(noted) is None
    assert {kept.reason for kept in store.list(10)} == {Reason.BROKEN_ENVELOPE}
