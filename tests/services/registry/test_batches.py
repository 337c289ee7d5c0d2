"""Batches of usage reports and statuses: one transaction, and each entry gets what it would get alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from urllib.parse import quote
from uuid import uuid4

import pytest
from memory_graph_workers.schemas.ids import time_ordered_id
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import models, sessions, usage
from memory_graph_workers.services.registry.records import Base
from memory_graph_workers.services.registry.usage import Counter, Sent
from support.round_trips import round_trips
from support.waiting import LONGEST_SECS, until
from werkzeug.exceptions import HTTPException

USAGE, STATUS, READ = "/api/v1/usage/batch", "/api/v1/sessions/status", "/api/v1/sessions/read"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def session(registry):
    session_id = f"s-{uuid4()}"
    assert registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": "m"}).status == 201
    return session_id


def entry(session_id, tokens=3, **more):
    return {
        "session_id": session_id,
        "prompt_tokens": tokens,
        "completion_tokens": 0,
        "idempotency_key": time_ordered_id(),
        **more,
    }


def prompts(registry, session_id):
    return registry.get(f"/api/v1/sessions/{session_id}/usage").json["total_prompts"]


def sent(registry, entries):
    response = registry.post(USAGE, entries)
    assert response.status == 200
    return response.json["accepted"], [(one["index"], one["status"], one["reason"]) for one in response.json["failed"]]


def test_entries_fail_alone_with_the_status_and_reason_that_they_would_get_by_themselves(registry, session):
    known = entry(session)
    assert sent(registry, [known]) == (1, [])
    without_key = entry(session)
    del without_key["idempotency_key"]
    accepted, failed = sent(
        registry,
        [
            entry(session),
            entry("nobody"),
            known,
            {**known, "prompt_tokens": 4},
            entry(session, prompt_tokens="3"),
            without_key,
            entry(session, more=1),
            entry(session, total_tokens=10**12 + 1),
            "text",
            entry(session),
        ],
    )
    assert accepted == 3
    assert [(index, status) for index, status, _ in failed] == [
        (1, 404), (3, 409), (4, 422), (5, 422), (6, 422), (7, 422), (8, 422),
    ]  # fmt: skip
    assert failed[0][2] == "No session has this id."
    assert failed[1][2] == "key_reused"
    assert prompts(registry, session) == 3


@pytest.mark.parametrize("body", [[], {}, 7, None, [{}] * 1001])
def test_a_body_that_is_no_batch_is_refused_as_a_whole(registry, body):
    for response in (registry.post(USAGE, body), registry.put(STATUS, body), registry.post(READ, body)):
        assert response.status == 422
        assert "1 to 1000" in response.json["message"]


def test_of_two_entries_with_the_same_key_the_first_decides(registry, session):
    one, other = entry(session), entry(session, 5)
    other["idempotency_key"] = one["idempotency_key"]
    assert sent(registry, [one, one, other]) == (2, [(2, 409, "key_reused")])
    assert registry.get(f"/api/v1/sessions/{session}/usage").json["total_tokens"] == 3


def test_a_report_is_the_same_alone_and_in_a_batch(registry, session):
    alone, together = entry(session, metadata={"a": 1.0}), entry(session)
    for first, second in ((_alone, _together), (_together, _alone)):
        one = alone if first is _alone else together
        assert first(registry, one) == 201
        assert second(registry, one) == 201
        assert second(registry, {**one, "latency_ms": 7}) == 409
    assert prompts(registry, session) == 2


def _alone(registry, one):
    body = {name: value for name, value in one.items() if name != "idempotency_key"}
    return registry.post("/api/v1/usage", body, **{"Idempotency-Key": one["idempotency_key"]}).status


def _together(registry, one):
    _, failed = sent(registry, [one])
    return failed[0][1] if failed else 201


def test_batches_sent_at_once_with_the_same_keys_in_any_order_count_each_once(registry, session):
    others = [f"{session}-{n}" for n in range(5)]
    for one in others:
        registry.post("/api/v1/sessions", {"session_id": one, "model_id": "m"})
    entries = [entry(others[n % 5]) for n in range(100)]
    orders = [entries, entries[::-1], entries[50:] + entries[:50], entries[::2] + entries[1::2]]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert [*pool.map(lambda one: sent(registry, one), orders)] == [(100, [])] * 4
    assert [prompts(registry, one) for one in others] == [20] * 5
    assert registry.get("/api/v1/models/m/usage").json["total_prompts"] >= 100


def test_sums_of_a_batch_are_those_of_its_reports(registry, session):
    entries = [
        entry(
            session,
            n,
            latency_ms=n or None,
            timestamp=f"2026-01-{n + 1:02}T00:00:00Z",
            metadata={"tokens": {"cached_tokens": n}},
        )
        for n in range(4)
    ]
    assert sent(registry, entries) == (4, [])
    told = registry.get(f"/api/v1/sessions/{session}/usage").json
    assert (told["total_tokens"], told["avg_latency_ms"]) == (6, 2.0)
    assert (told["from"], told["to"]) == ("2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z")
    assert told["custom_metrics"] == {"cached_tokens": 6}


def test_statuses_are_set_in_order_and_refused_alone(registry):
    ids = [f"s-{uuid4()}" for _ in range(3)]
    for one in ids:
        registry.post("/api/v1/sessions", {"session_id": one, "model_id": "m"})
    changes = [
        {"session_id": ids[0], "status": "completed"},
        {"session_id": ids[0], "status": "archived"},
        {"session_id": ids[1], "status": "archived"},
        {"session_id": "nobody", "status": "completed"},
        {"session_id": ids[2], "status": "gone"},
        {"session_id": ids[2], "status": "completed", "if_ended_at": "2026-01-01T00:00:00Z"},
    ]
    told = registry.put(STATUS, changes).json
    assert told["accepted"] == 2
    assert [(one["index"], one["status"], one["reason"]) for one in told["failed"]][:2] == [
        (2, 409, "status_not_allowed"), (3, 404, "No session has this id."),
    ]  # fmt: skip
    assert [(one["index"], one["status"]) for one in told["failed"]][2:] == [(4, 422), (5, 409)]
    assert told["failed"][3]["reason"] == "session_went_on"
    assert registry.get(f"/api/v1/sessions/{ids[0]}").json["status"] == "archived"
    assert registry.get(f"/api/v1/sessions/{ids[1]}").json["status"] == "active"


@pytest.mark.parametrize("many", [1, 2, 100, 1000])
def test_reports_take_one_round_trip_in_postgresql(postgres, many):
    storage = Storage(DatabaseUrl().deserialize(postgres.new_database()), Base)
    storage.create()
    storage.write(lambda session: sessions.register(session, SessionRegistration("s", "m"), NOW))
    counter = Counter(storage, None, lambda: NOW)
    for number in (1, 2):  # what prepares both statements
        counter.track([Sent(UsageReport("s", 1, 1, total_tokens=2), {}, f"warm-{n}") for n in range(number)])
    with round_trips(storage) as trips:
        counter.track([Sent(UsageReport("s", 1, 1, total_tokens=2), {}, f"k{n}") for n in range(many)])
    assert len(trips) == 1
    storage.close()


def test_single_reports_that_come_at_once_share_a_transaction_and_each_is_told_its_own(storage, monkeypatch):
    storage.write(lambda session: sessions.register(session, SessionRegistration("s", "m"), NOW))
    counter, write, transactions, go = Counter(storage, None, lambda: NOW), storage.write_at_once, [], Event()
    counter.track([Sent(UsageReport("s", 1, 1, total_tokens=2), {}, "known")])

    def gated(work):
        transactions.append(work)
        assert len(transactions) > 1 or go.wait(LONGEST_SECS)
        return write(work)

    def told(session_id, key, tokens):
        report = UsageReport(session_id, tokens, tokens, total_tokens=2 * tokens)
        try:
            counter.track_one(Sent(report, {"prompt_tokens": tokens}, key, b"%d" % tokens))
        except HTTPException as refusal:
            return refusal.code
        return 201

    monkeypatch.setattr(storage, "write_at_once", gated)
    calls = [("s", "a", 1), ("s", "b", 1), ("nobody", "c", 1), ("s", "known", 2), ("s", "b", 1), ("s", "b", 3)]
    calls += [("s", "c", 5)]  # whose first sender named an unknown session
    with ThreadPoolExecutor(len(calls)) as pool:
        found = []
        for place, call in enumerate(calls):
            found.append(pool.submit(told, *call))
            until(lambda place=place: len(counter._together._waiting) == place and transactions)
        go.set()
        assert [one.result(LONGEST_SECS) for one in found] == [201, 201, 404, 409, 201, 409, 201]
    assert len(transactions) == 2 + 3  # the first, the group, and each that comes again
    assert storage.read_at_once(lambda run: usage.of_session(run, "s")).total_prompts == 4


def test_models_are_remembered_up_to_a_bound_and_recorded_beyond_it(storage, monkeypatch):
    monkeypatch.setattr(usage, "_MOST_KNOWN_MODELS", 5)
    storage.write(lambda session: sessions.register(session, SessionRegistration("s", "m"), NOW))
    counter = Counter(storage, None, lambda: NOW)
    for n in (*range(12), *range(12)):
        counter.track([Sent(UsageReport("s", 1, 1, f"model-{n}", 2), {})])
    assert len(counter._known_models) <= 6
    with storage.read() as session:
        assert models.list_page(session, 1, 100).total == 13


def test_sessions_are_read_together_as_each_is_alone(registry):
    ids = [f"s-{uuid4()}/{n} ü" for n in range(3)]
    for one in ids:
        registry.post("/api/v1/sessions", {"session_id": one, "model_id": "m", "metadata": {"of": one}})
    registry.put(STATUS, [{"session_id": ids[0], "status": "completed"}])
    assert sent(registry, [entry(ids[1], 5)]) == (1, [])
    alone = [registry.get(f"/api/v1/sessions/{quote(one, safe='')}").json for one in ids]
    response = registry.post(READ, [*ids, "nobody", ids[0]])
    assert response.status == 200
    assert sorted(response.json["sessions"], key=lambda one: ids.index(one["session_id"])) == alone
    assert registry.post(READ, ["nobody"]).json == {"sessions": []}


@pytest.mark.parametrize("wrong", ["", ".", "..", "a\x00b", "x" * 257, 7, None, ["s"], "\ud800"], ids=repr)
def test_what_is_no_id_is_refused(registry, session, wrong):
    assert registry.post(READ, [session, wrong]).status == 422
