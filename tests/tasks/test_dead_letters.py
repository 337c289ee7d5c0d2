"""The store of what ended in failure."""

import json
from collections.abc import Iterator

import fakeredis
import pytest
from memory_graph_workers.tasks.dead_letters import DeadLetter, DeadLetters, Reason

RAW = b"\x00 not json"


@pytest.fixture
def redis() -> Iterator[fakeredis.FakeRedis]:
    redis = fakeredis.FakeRedis()
    yield redis
    redis.close()


@pytest.fixture
def store(redis: fakeredis.FakeRedis) -> DeadLetters:
    return DeadLetters(redis)


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


def test_counts_losses_by_task_and_not_for_ever(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    assert [store.count_loss("a"), store.count_loss("a"), store.count_loss("b")] == [1, 2, 1]
    assert 0 < int(redis.ttl("memory_graph:dead:losses:a")) <= 7 * 86_400
    store.forget_losses("a")
    assert store.count_loss("a") == 1


def test_stores_letters_as_json(store: DeadLetters, redis: fakeredis.FakeRedis) -> None:
    store.add(letter())
    assert json.loads(redis.hget("memory_graph:dead:letters", "t0") or "")["reason"] == "failed"
