"""A letter of usage is replayed only where the Registry knows its key: now, then, and for as long as it takes."""

import dataclasses
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest
from memory_graph_workers.clients.errors import UncertainOutcome
from memory_graph_workers.delivery.dead_letters.replay import NotReplayable
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, Reason
from memory_graph_workers.delivery.messages.attempts import MAYBE_DONE_AT, REPEAT_NEEDS_KEYS
from memory_graph_workers.schemas.canonical import derived_id
from memory_graph_workers.schemas.fields import format_timestamp
from memory_graph_workers.tasks import replay
from memory_graph_workers.tasks.registry import get_session, track_usage
from memory_graph_workers.tasks.replay import waiting_from_now
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from support.fakes.http_server import FakeServer, answer, cut
from support.fakes.usage import Attempts, Registry


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as running:
        monkeypatch.setenv("REGISTRY_URL", running.url)
        yield running


def letter(days: float = 1, believed: bool | None = True, **changes: Any) -> DeadLetter:
    seen = format_timestamp(datetime.now(UTC) - timedelta(days=days))
    fields = {"task": track_usage.name, "first_seen": seen, "failed_at": seen, "keys_believed": believed, **changes}
    return DeadLetter("k", Reason.ATTEMPTS_EXHAUSTED, "q", **fields)


def unknown(reason: Reason, **facts: Any) -> DeadLetter:
    """A letter that says nothing of keys, as the worker's parent writes it."""
    return dataclasses.replace(letter(believed=None), reason=reason, **facts)


def earlier(days: float, **headers: Any) -> dict[str, Any]:
    """The payload of a task whose first attempt, so long ago, may have been counted."""
    since = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    return {"args": [], "kwargs": {}, "options": {"headers": {MAYBE_DONE_AT: since, **headers}}}


@pytest.mark.parametrize(
    ("setting", "kept_days", "given", "may"),
    [
        ("auto", None, letter(4000), False),
        ("auto", 90, letter(89), False),
        ("auto", 90, letter(91), True),
        ("auto", 0, letter(), True),
        ("auto", None, letter(believed=False), True),
        ("auto", None, letter(believed=None), False),
        ("auto", 90, letter(89.99), True),  # it may be older when it arrives
        ("auto", None, unknown(Reason.LOST_WORKER), True),
        ("auto", 90, unknown(Reason.HARD_TIME_LIMIT), True),
        ("auto", None, unknown(Reason.FAILED, error="KeyError"), True),
        ("auto", None, unknown(Reason.FAILED, status=422), False),
        ("true", 90, unknown(Reason.LOST_WORKER), False),
        ("auto", None, letter(100, keys_kept_days=90), True),
        ("auto", 365, letter(100, keys_kept_days=90), True),
        ("auto", 90, letter(100, keys_kept_days=365), True),
        ("auto", 365, letter(80, keys_kept_days=90), False),
        ("auto", 90, letter(1, payload=earlier(80)), False),
        ("auto", 90, letter(1, payload=earlier(91)), True),
        ("auto", 365, letter(1, payload=earlier(100, keys_kept_days=90)), True),
        ("auto", None, letter(1, payload=earlier(4000)), False),
        ("auto", None, letter(1, payload=earlier(1, repeat_needs_keys=True)), True),
        ("true", None, letter(1, payload=earlier(1, repeat_needs_keys=True)), False),
        ("auto", None, letter(1, payload=earlier(1, repeat_needs_keys=["k"])), False),
        ("true", 90, letter(91), True),
        ("true", 0, letter(91, believed=False), False),
        ("false", None, letter(), True),
        ("false", None, letter(task=get_session.name), False),
    ],
)
def test_a_repeat_may_count_twice_where_the_key_may_not_be_known(
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    kept_days: int | None,
    given: DeadLetter,
    may: bool,
) -> None:
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", setting)
    server.default = answer(200, {"capabilities": {"idempotency": {"kept_days": kept_days}}})
    assert replay.may_count_twice(given) is may


def test_a_registry_that_is_away_says_nothing(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", "auto")
    server.default = cut
    assert replay.may_count_twice(letter())


@pytest.mark.parametrize("options", [None, {}, {"priority": 3}, {"headers": {"waits_since": 1.0, "tenant": "a"}}])
def test_a_replay_waits_for_its_session_from_now(options: dict[str, Any] | None) -> None:
    payload: dict[str, Any] = {"args": [], "kwargs": {"report": {}}}
    given = letter(payload=payload if options is None else {**payload, "options": options})
    found = waiting_from_now(given).payload or {}
    assert "waits_since" not in found.get("options", {}).get("headers", {})
    assert found.get("options", {}).get("headers", {}).get("tenant") == (options or {}).get("headers", {}).get("tenant")
    assert found["kwargs"] == payload["kwargs"]


@pytest.mark.parametrize(("now", "before", "fewest"), [(90, None, 90), (None, 90, 90), (365, 90, 90), (90, 365, 90)])
def test_a_replay_carries_the_fewest_days_that_the_registry_named(now: Any, before: Any, fewest: int) -> None:
    payload = earlier(1) if before is None else earlier(1, keys_kept_days=before)
    carried = replay._with_kept_days(letter(keys_kept_days=now, payload=payload))
    assert (carried.payload or {})["options"]["headers"][replay.KEPT_DAYS] == fewest


def test_a_letter_without_named_days_is_sent_as_it_is() -> None:
    given = letter(payload={"args": [], "kwargs": {}})
    assert replay._with_kept_days(given) is given


REPORT = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
KEYED = [{**REPORT, "idempotency_key": key} for key in ("a", "b")]
LOST = [Reason.LOST_WORKER, Reason.HARD_TIME_LIMIT, Reason.ATTEMPTS_EXHAUSTED, Reason.UNCERTAIN]


def usage(reason: Reason, task: Any = track_usage, headers: dict[str, Any] | None = None, **kwargs: Any) -> DeadLetter:
    options = {"options": {"headers": headers}} if headers else {}
    return DeadLetter("id", reason, "q", task=task.name, payload={"args": [], "kwargs": kwargs, **options})


def needs_keys(given: DeadLetter, *, even_if_done: bool = False) -> Any:
    sent = replay._as_new(given, even_if_done=even_if_done).payload or {}
    return sent.get("options", {}).get("headers", {}).get(REPEAT_NEEDS_KEYS)


@pytest.mark.parametrize("reason", LOST)
@pytest.mark.parametrize(
    ("task", "kwargs", "keys"),
    [
        (track_usage, {"report": REPORT, "idempotency_key": "k"}, ["k"]),
        (track_usage, {"report": REPORT}, ["id"]),
        (track_usage, REPORT, ["id"]),
        (track_usage_batch, {"reports": KEYED}, ["a", "b"]),
        (track_usage_batch, {"reports": [REPORT, KEYED[0]]}, [derived_id("payload", "id:0"), "a"]),
        (track_usage, {"report": "not one"}, None),
        (get_session, {"session_id": "s"}, None),
    ],
)
def test_a_replay_of_usage_that_may_be_counted_needs_keys(
    reason: Reason, task: Any, kwargs: dict[str, Any], keys: list[str] | None
) -> None:
    found = needs_keys(usage(reason, task, **kwargs))
    assert found == (keys and sorted(keys))
    assert needs_keys(usage(reason, task, **kwargs), even_if_done=True) is None


@pytest.mark.parametrize(("status", "keys"), [(422, ["old"]), (None, ["id", "old"])])
def test_a_replay_keeps_the_keys_that_earlier_attempts_noted(status: int | None, keys: list[str]) -> None:
    headers = {REPEAT_NEEDS_KEYS: ["old"], "tenant": "a"}
    given = dataclasses.replace(usage(Reason.FAILED, headers=headers, report=REPORT), status=status)
    assert needs_keys(given) == keys


def test_a_replay_keeps_that_an_attempt_was_lost() -> None:
    given = usage(Reason.UNCERTAIN, headers={REPEAT_NEEDS_KEYS: True}, report=REPORT)
    assert needs_keys(given) is True
    assert needs_keys(given, even_if_done=True) is None


@pytest.mark.parametrize(("reason", "refused"), [(Reason.FAILED, True), (Reason.INVALID_PAYLOAD, False)])
def test_usage_that_was_refused_after_a_lost_attempt_is_not_sent_with_other_parameters(
    reason: Reason, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = usage(reason, headers={REPEAT_NEEDS_KEYS: True}, report=REPORT)
    monkeypatch.setattr(replay.generic, "replay_corrected", lambda *_, **__: "sent")
    with pytest.raises(NotReplayable, match="may have been counted") if refused else nullcontext():
        replay.replay_corrected(MagicMock(), dataclasses.replace(given, status=401), {"report": REPORT})


def test_a_replayed_report_is_not_sent_once_keys_are_not_believed(registry: Registry, attempts: Attempts) -> None:
    given = replay._as_new(usage(Reason.LOST_WORKER, report=REPORT), even_if_done=False).payload or {}
    registry.health = answer(200, {"status": "healthy"})
    attempts.next = {"headers": given["options"]["headers"], "kwargs": {**given["kwargs"], "idempotency_key": "id"}}
    with pytest.raises(UncertainOutcome):
        attempts.run(track_usage)
    assert registry.reported == []
