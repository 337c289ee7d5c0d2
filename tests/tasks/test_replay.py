"""A letter of usage is replayed only where the Registry knows its key: now, then, and for as long as it takes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, Reason
from memory_graph_workers.schemas.fields import format_timestamp
from memory_graph_workers.tasks import replay
from memory_graph_workers.tasks.registry import get_session, track_usage
from memory_graph_workers.tasks.replay import waiting_from_now
from support.fakes.http_server import FakeServer, answer, cut


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as running:
        monkeypatch.setenv("REGISTRY_URL", running.url)
        yield running


def letter(days: float = 1, believed: bool | None = True, **changes: Any) -> DeadLetter:
    seen = format_timestamp(datetime.now(UTC) - timedelta(days=days))
    fields = {"task": track_usage.name, "first_seen": seen, "failed_at": seen, "keys_believed": believed, **changes}
    return DeadLetter("k", Reason.ATTEMPTS_EXHAUSTED, "q", **fields)


@pytest.mark.parametrize(
    ("setting", "kept_days", "given", "may"),
    [
        ("auto", None, letter(4000), False),
        ("auto", 90, letter(89), False),
        ("auto", 90, letter(91), True),
        ("auto", 0, letter(), True),
        ("auto", None, letter(believed=False), True),
        ("auto", None, letter(believed=None), False),
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
