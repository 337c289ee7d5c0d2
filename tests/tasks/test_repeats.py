"""A usage report that may be counted is sent again only while the Registry is believed to know its key."""

from typing import Any

import pytest
from celery.exceptions import Retry
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import UncertainOutcome
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, Reason
from memory_graph_workers.delivery.messages.attempts import REPEAT_NEEDS_KEYS, noting_lost, was_lost
from memory_graph_workers.delivery.worker.failures import failure
from memory_graph_workers.schemas.registry import UsageReport
from memory_graph_workers.tasks import replay, usage_batch
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from support.fakes.http_server import Step, answer, cut, reset
from support.fakes.usage import Attempts, Registry

REPORT = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
CALL = {"report": REPORT, "idempotency_key": "k"}
NO_KEYS = answer(200, {"status": "healthy"})
MAYBE = [cut, reset, answer(502), answer(504)]  # sent, and perhaps counted
NOT_DONE = [answer(429), answer(503)]


@pytest.mark.parametrize("lost", MAYBE)
def test_a_retry_that_may_count_twice_is_not_sent_and_says_so(
    registry: Registry, attempts: Attempts, lost: Step
) -> None:
    registry.steps["s"] = lost
    with pytest.raises(Retry):
        attempts.run(track_usage, CALL)
    assert attempts.next["headers"][REPEAT_NEEDS_KEYS] == ["k"]
    registry.health, registry.steps = NO_KEYS, {}
    with pytest.raises(UncertainOutcome, match="an earlier attempt may have done it") as caught:
        attempts.run(track_usage)
    assert registry.reported == ["s"]
    letter = failure(caught.value)
    assert (letter["reason"], letter["keys_believed"]) == (Reason.UNCERTAIN, True)


def test_it_stays_so_through_attempts_that_sent_nothing(registry: Registry, attempts: Attempts) -> None:
    registry.steps["s"] = cut
    with pytest.raises(Retry):
        attempts.run(track_usage, CALL)
    registry.health = answer(503)
    with pytest.raises(Retry):
        attempts.run(track_usage)
    registry.health = NO_KEYS
    with pytest.raises(UncertainOutcome):
        attempts.run(track_usage)
    assert registry.reported == ["s"]


@pytest.mark.parametrize("first", [*MAYBE, *NOT_DONE])
def test_it_is_sent_again_while_keys_are_believed(registry: Registry, attempts: Attempts, first: Step) -> None:
    registry.steps["s"] = first
    with pytest.raises(Retry):
        attempts.run(track_usage, CALL)
    registry.steps = {}
    attempts.run(track_usage)
    assert registry.reported == ["s", "s"]


@pytest.mark.parametrize("first", NOT_DONE)
def test_what_was_certainly_not_done_is_sent_again_without_keys(
    registry: Registry, attempts: Attempts, first: Step
) -> None:
    registry.steps["s"] = first
    with pytest.raises(Retry):
        attempts.run(track_usage, CALL)
    registry.health, registry.steps = NO_KEYS, {}
    attempts.run(track_usage)
    assert registry.reported == ["s", "s"]


@pytest.mark.parametrize("health", [cut, answer(502), answer(504)])
def test_a_health_that_was_lost_leaves_a_report_safe_to_repeat(
    registry: Registry, attempts: Attempts, health: Step
) -> None:
    registry.health = health
    with pytest.raises(Retry):
        attempts.run(track_usage, CALL)
    registry.health = NO_KEYS
    attempts.run(track_usage)
    assert registry.reported == ["s"]


@pytest.mark.parametrize("lost", MAYBE)
def test_in_a_batch_only_the_reports_that_may_be_counted_become_letters(
    registry: Registry, attempts: Attempts, lost: Step
) -> None:
    registry.steps = {"s1": lost, "s2": answer(503), "s3": lost}
    reports = [{**REPORT, "session_id": f"s{number}", "idempotency_key": str(number)} for number in range(4)]
    with pytest.raises(Retry):
        attempts.run(track_usage_batch, {"reports": reports})
    assert attempts.next["headers"][REPEAT_NEEDS_KEYS] == ["1", "3"]
    registry.health, registry.steps = NO_KEYS, {}
    attempts.run(track_usage_batch)
    assert registry.reported == ["s0", "s1", "s2", "s2", "s3"]
    assert sorted(attempts.letters) == ["1", "3"]
    assert {failure(error)["reason"] for error in attempts.letters.values()} == {Reason.UNCERTAIN}


@pytest.mark.parametrize("lost", MAYBE)
def test_a_client_that_is_used_directly_keeps_the_rule_between_its_own_attempts(registry: Registry, lost: Step) -> None:
    def lost_with_the_keys(connection: Any) -> None:
        registry.health = NO_KEYS
        lost(connection)

    registry.steps["s"] = lost_with_the_keys
    config = RegistryConfig(registry.url, timeout_secs=5)
    with RegistryClient(config, retry_policy=RetryPolicy(initial_delay_secs=0.01)) as client:
        with pytest.raises(UncertainOutcome, match="nothing was sent now"):
            client.track_usage(UsageReport("s", 1, 1), idempotency_key="k")
        assert client._breaker.state == "closed"
    assert registry.reported == ["s"]


@pytest.mark.parametrize("given", ["k", 7, {"k": 1}, [["k"], 1, None]])
def test_a_header_that_a_stranger_wrote_is_no_reason_to_fail(
    registry: Registry, attempts: Attempts, given: Any
) -> None:
    attempts.next = {"headers": {REPEAT_NEEDS_KEYS: given}, "kwargs": CALL}
    attempts.run(track_usage)
    assert registry.reported == ["s"]


@pytest.mark.parametrize(("even_if_done", "kept"), [(True, {}), (False, {REPEAT_NEEDS_KEYS: ["k"]})])
def test_a_person_may_want_a_letter_sent_all_the_same(even_if_done: bool, kept: dict[str, Any]) -> None:
    options = {"headers": {"tenant": "a", REPEAT_NEEDS_KEYS: ["k"]}}
    payload = {"args": [], "kwargs": CALL, "options": options}
    letter = DeadLetter("k", Reason.UNCERTAIN, "q", task=track_usage.name, payload=payload)
    found = replay._as_new(letter, even_if_done=even_if_done).payload or {}
    assert found["options"]["headers"] == {"tenant": "a", **kept}


@pytest.mark.parametrize("setting", ["auto", "false"])
def test_a_report_whose_worker_was_lost_is_not_sent_without_keys(
    registry: Registry, attempts: Attempts, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", setting)
    registry.health = NO_KEYS
    attempts.next = {"headers": noting_lost({}), "kwargs": CALL}
    with pytest.raises(UncertainOutcome, match="nothing was sent now"):
        attempts.run(track_usage)
    assert registry.reported == []


def test_a_report_whose_worker_was_lost_is_sent_again_while_keys_are_believed(
    registry: Registry, attempts: Attempts
) -> None:
    attempts.next = {"headers": noting_lost({}), "kwargs": CALL}
    attempts.run(track_usage)
    assert registry.reported == ["s"]


@pytest.mark.parametrize("first", [*MAYBE, *NOT_DONE])
def test_what_a_lost_worker_did_stays_unknown_through_later_attempts(
    registry: Registry, attempts: Attempts, first: Step
) -> None:
    registry.steps["s"] = first
    attempts.next = {"headers": noting_lost({}), "kwargs": CALL}
    with pytest.raises(Retry):
        attempts.run(track_usage)
    assert was_lost(attempts.next["headers"])
    registry.health, registry.steps = NO_KEYS, {}
    with pytest.raises(UncertainOutcome):
        attempts.run(track_usage)
    assert registry.reported == ["s"]


@pytest.mark.parametrize("count", [1, 3])
def test_each_report_of_a_batch_whose_worker_was_lost_becomes_a_letter_without_keys(
    registry: Registry, attempts: Attempts, count: int
) -> None:
    reports = [{**REPORT, "session_id": f"s{number}", "idempotency_key": str(number)} for number in range(count)]
    registry.health = NO_KEYS
    attempts.next = {"headers": noting_lost({}), "kwargs": {"reports": reports}}
    attempts.run(track_usage_batch)
    assert registry.reported == []
    assert sorted(attempts.letters) == [str(number) for number in range(count)]


@pytest.mark.parametrize(("batch", "one"), [(True, True), (["k"], ["k"]), (["other"], None), (None, None)])
def test_a_report_that_leaves_its_batch_keeps_what_the_batch_knows_of_it(batch: Any, one: Any) -> None:
    track_usage_batch.push_request(headers={REPEAT_NEEDS_KEYS: batch})
    try:
        assert usage_batch._earlier(track_usage_batch, "k").get(REPEAT_NEEDS_KEYS) == one
    finally:
        track_usage_batch.pop_request()
