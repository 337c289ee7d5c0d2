"""A batch of usage reports goes in one request where the Registry takes batches, and loses or doubles nothing."""

from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import Retry
from memory_graph_workers.clients.errors import NotFound, UncertainOutcome
from memory_graph_workers.tasks import usage_batch
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from support.fakes.http_server import Step, answer, cut, reset
from support.fakes.usage import Attempts, Registry

IDS = ["a", "b", "c"]
REPORTS = [
    {"session_id": one, "prompt_tokens": 1, "completion_tokens": 2, "idempotency_key": f"k-{one}"} for one in IDS
]
BATCHES = answer(200, {"capabilities": {"idempotency": {"kept_days": None}, "usage_batch": {"most": 1000}}})
NO_KEYS = answer(200, {"capabilities": {"usage_batch": {"most": 1000}}})


@pytest.fixture(autouse=True)
def takes_batches(registry: Registry) -> None:
    registry.health, registry.batch = BATCHES, outcome(3)


def outcome(accepted: int, *failed: tuple[int, int, str]) -> Step:
    named = [{"index": index, "status": status, "reason": reason} for index, status, reason in failed]
    return answer(200, {"accepted": accepted, "failed": named})


def run(attempts: Attempts) -> None:
    attempts.run(track_usage_batch, {"reports": REPORTS})


def left(attempts: Attempts) -> list[Any]:
    return [report["session_id"] for report in attempts.next["kwargs"]["reports"]]


def test_a_batch_is_one_request(registry: Registry, attempts: Attempts) -> None:
    run(attempts)
    assert (registry.batches, registry.reported, attempts.letters) == ([IDS], [], {})


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422, 500, 501])
def test_a_registry_that_does_not_take_it_gets_the_reports_one_by_one(
    registry: Registry, attempts: Attempts, status: int
) -> None:
    registry.batch = answer(status)
    run(attempts)
    assert (registry.batches, registry.reported, attempts.letters) == ([IDS], IDS, {})


@pytest.mark.parametrize("lost", [cut, reset, answer(503), answer(502)])
def test_a_batch_without_a_usable_response_is_sent_again_whole(
    registry: Registry, attempts: Attempts, lost: Step
) -> None:
    registry.batch = lost
    with pytest.raises(Retry):
        run(attempts)
    assert left(attempts) == IDS
    registry.batch = outcome(3)
    attempts.run(track_usage_batch)
    assert (registry.batches, registry.reported) == ([IDS, IDS], [])


def test_each_entry_is_treated_as_if_it_had_been_sent_alone(
    registry: Registry, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[str] = []
    monkeypatch.setattr(usage_batch, "_let_wait", lambda self, report: waiting.append(report.session_id))
    registry.batch = outcome(0, (0, 404, "No session has this id."), (1, 409, "key_reused"), (2, 503, ""))
    with pytest.raises(Retry):
        run(attempts)
    assert (waiting, left(attempts)) == (["a"], ["c"])
    assert {key: error.status for key, error in attempts.letters.items()} == {"k-b": 409}
    assert registry.reported == []


def test_an_entry_without_a_session_fails_at_once_where_usage_does_not_wait(
    registry: Registry, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = replace(usage_batch.limits, usage_waits_for_session_secs=0)
    monkeypatch.setattr(usage_batch, "limits", at_once)
    registry.batch = outcome(2, (0, 404, "No session has this id."))
    run(attempts)
    assert [type(error) for error in attempts.letters.values()] == [NotFound]


def test_a_batch_that_may_be_counted_is_not_sent_again_once_keys_are_not_believed(
    registry: Registry, attempts: Attempts
) -> None:
    registry.batch = cut
    with pytest.raises(Retry):
        run(attempts)
    registry.health = NO_KEYS
    attempts.run(track_usage_batch)
    assert (registry.batches, registry.reported) == ([IDS], [])
    assert {type(error) for error in attempts.letters.values()} == {UncertainOutcome}
    assert sorted(attempts.letters) == ["k-a", "k-b", "k-c"]
