"""What comes before its session waits for it, by the task alone and only where the service says so."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from celery.exceptions import Retry
from memory_graph_workers.clients.errors import IntegrationError, NotFound, Refused
from memory_graph_workers.delivery import DeadLetter, DeadLetters
from memory_graph_workers.delivery.messages.attempts import MAYBE_DONE_AT, REPEAT_NEEDS_KEYS
from memory_graph_workers.delivery.messages.call_options import kept_options
from memory_graph_workers.tasks import connections, usage_batch
from memory_graph_workers.tasks.registry import get_session, reopen_session, track_usage, update_session_status
from memory_graph_workers.tasks.session_wait import WAITS_SINCE
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from support.fakes.http_server import FakeServer, Step, answer, cut

NOT_YET = answer(404, {"code": 404, "status": "Not Found", "message": "No session has this id."})
REPORT = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
KEEP = usage_batch._keep
CALL = {"report": REPORT, "idempotency_key": "k"}
STATUS = {"session_id": "s", "status": "completed", "asked_at": "2026-01-01T00:00:00Z"}
REOPEN = {"session_id": "s", "asked_at": "2026-01-01T00:00:00Z", "idempotency_key": "k"}
WAITING = pytest.mark.parametrize(
    ("task", "call"),
    [(track_usage, CALL), (update_session_status, STATUS), (reopen_session, REOPEN)],
    ids=["usage", "status", "reopen"],
)
CAN_REOPEN = answer(200, {"status": "healthy", "capabilities": {"reopen": {}}})


def says_of_itself(server: FakeServer, health: Step, other: Step) -> None:
    server.next_step = lambda received: health if received.path == "/health" else other  # type: ignore[method-assign]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as running:
        monkeypatch.setenv("REGISTRY_URL", running.url)
        monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", "true")
        monkeypatch.setenv("VAULT_API_KEY", "k")
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
        connections.forget()
        yield running
        connections.forget()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of what is sent again."""
    found = list[dict[str, Any]]()

    class Sendable:
        def apply_async(self, **options: Any) -> None:
            pass

    def signature(self: Any, *args: Any, **options: Any) -> Sendable:
        found.append(options)
        return Sendable()

    for task in (track_usage, update_session_status, reopen_session, get_session):
        monkeypatch.setattr(type(task), "signature_from_request", signature)
    return found


def run(task: Any, call: dict[str, Any], **request: Any) -> None:
    task.push_request(id="one", args=[], kwargs=call, called_directly=False, is_eager=False, **request)
    try:
        task(**call)
    finally:
        task.pop_request()


def waited(secs: float) -> dict[str, Any]:
    return {"headers": {WAITS_SINCE: time.time() - secs, "sent_at": time.time()}}


@WAITING
@pytest.mark.parametrize("retries", [0, 3, 7])
def test_it_is_sent_again_and_spends_no_attempt(
    server: FakeServer, sent: list[dict[str, Any]], task: Any, call: dict[str, Any], retries: int
) -> None:
    says_of_itself(server, CAN_REOPEN, NOT_YET)
    with pytest.raises(Retry):
        run(task, call, retries=retries)
    assert sent[0]["retries"] == retries
    assert abs(sent[0]["headers"][WAITS_SINCE] - time.time()) < 60


def test_a_task_that_has_one_attempt_waits_too(
    server: FakeServer, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_usage, "max_retries", 0)
    server.answers(NOT_YET)
    with pytest.raises(Retry):
        run(track_usage, CALL)
    assert sent[0]["retries"] == 0


@pytest.mark.parametrize(("secs", "pause"), [(0, 2), (10, 10), (100, 30), (290, 10)])
def test_pauses_grow_and_the_first_404_starts_the_wait(
    server: FakeServer, sent: list[dict[str, Any]], secs: float, pause: float
) -> None:
    server.answers(NOT_YET)
    request = waited(secs)
    with pytest.raises(Retry):
        run(track_usage, CALL, **request)
    assert sent[0]["countdown"] == pytest.approx(pause, abs=1)
    assert sent[0]["headers"][WAITS_SINCE] == request["headers"][WAITS_SINCE]


@WAITING
def test_after_its_time_it_fails_and_says_how_long_it_waited(
    server: FakeServer, sent: list[dict[str, Any]], task: Any, call: dict[str, Any]
) -> None:
    says_of_itself(server, CAN_REOPEN, NOT_YET)
    with pytest.raises(NotFound, match=r"not registered within 30[0-9] s"):
        run(task, call, **waited(301))
    assert sent == []


def test_a_registry_that_cannot_reopen_refuses_it_at_once(server: FakeServer, sent: list[dict[str, Any]]) -> None:
    says_of_itself(server, answer(200, {"status": "healthy"}), NOT_YET)
    with pytest.raises(Refused, match="cannot do this"):
        run(reopen_session, REOPEN)
    assert sent == []


@pytest.mark.parametrize(
    "other",
    [
        answer(404),
        answer(404, "<html>no such page</html>", {}),
        answer(404, {"error": "not found"}),
        answer(404, {"code": "404"}),
        answer(404, {"code": 405}),
        answer(404, [404]),
        answer(410, {"code": 410}),
        answer(422, {"code": 404}),
    ],
)
@WAITING
def test_any_other_refusal_fails_at_once(
    server: FakeServer, sent: list[dict[str, Any]], task: Any, call: dict[str, Any], other: Step
) -> None:
    says_of_itself(server, CAN_REOPEN, other)
    with pytest.raises(Refused) as caught:
        run(task, call)
    assert (type(caught.value), sent) == (Refused, [])


def test_other_operations_and_the_client_itself_do_not_wait(server: FakeServer, sent: list[dict[str, Any]]) -> None:
    server.answers(NOT_YET, NOT_YET)
    with pytest.raises(NotFound):
        run(get_session, {"session_id": "s"})
    with pytest.raises(NotFound):
        connections.registry().get_session("s")
    assert sent == []


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch, sent: list[dict[str, Any]]) -> Callable[..., Any]:
    """Run a batch of reports `0` to `3`; gives what was sent on by itself, and what became a letter."""
    alone, letters = list[tuple[str, Any]](), list[str]()

    def send(self: Any, parameters: Any, **options: Any) -> None:
        alone.append((self.name, {**options, **parameters}))

    def keep(self: Any, report: Any, error: IntegrationError) -> None:
        letters.append(report.idempotency_key)

    monkeypatch.setattr(type(track_usage), "send_checked", send)
    monkeypatch.setattr(usage_batch, "_keep", keep)

    def run_batch(**request: Any) -> tuple[list[tuple[str, Any]], list[str]]:
        reports = [{**REPORT, "session_id": f"s{number}", "idempotency_key": str(number)} for number in range(4)]
        run(track_usage_batch, {"reports": reports}, **request)
        return alone, letters

    return run_batch


def test_in_a_batch_each_report_waits_by_itself(
    server: FakeServer, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {"s0": answer(201), "s1": NOT_YET, "s2": answer(404), "s3": NOT_YET}
    monkeypatch.setattr(server, "next_step", lambda received: statuses[received.json["session_id"]])
    alone, letters = batch(retries=7)
    assert letters == ["2"]
    assert sorted((name, one["task_id"], one["idempotency_key"], one["countdown"]) for name, one in alone) == [
        (track_usage.name, key, key, 2) for key in ("1", "3")
    ]
    assert all(abs(one["headers"][WAITS_SINCE] - time.time()) < 60 for _, one in alone)
    assert alone[0][1]["report"].keys() >= REPORT.keys()


@pytest.mark.parametrize(
    ("step", "noted"), [(answer(503), False), (answer(502), True), (cut, True), (NOT_YET, False), (answer(429), False)]
)
@pytest.mark.parametrize("known", [None, 1_000_000.0])
def test_a_retry_keeps_when_an_attempt_first_may_have_been_counted(
    server: FakeServer, sent: list[dict[str, Any]], step: Step, noted: bool, known: float | None
) -> None:
    server.default = step
    with pytest.raises(Retry):
        run(track_usage, CALL, headers={} if known is None else {MAYBE_DONE_AT: known, "tenant": "a"})
    found = (sent[0].get("headers") or {}) if noted or step is NOT_YET else {MAYBE_DONE_AT: known}
    if known is not None or not noted:
        assert found.get(MAYBE_DONE_AT) == known
    else:
        assert abs(found[MAYBE_DONE_AT] - time.time()) < 60


@pytest.mark.parametrize("known", [None, 1_000_000.0])
def test_what_a_batch_sends_on_or_keeps_knows_the_batchs_first_attempt(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, batch: Callable[..., Any], known: float | None
) -> None:
    kept = list[DeadLetter]()
    monkeypatch.setattr(usage_batch, "_keep", KEEP)
    monkeypatch.setattr(DeadLetters, "add", lambda self, letter: kept.append(letter))
    statuses = {"s0": answer(201), "s1": NOT_YET, "s2": answer(404), "s3": NOT_YET}
    monkeypatch.setattr(server, "next_step", lambda received: statuses[received.json["session_id"]])
    alone, _ = batch(headers={} if known is None else {MAYBE_DONE_AT: known})
    assert [one["headers"].get(MAYBE_DONE_AT) for _, one in alone] == [known, known]
    [letter] = kept
    assert kept_options(letter.payload).get("headers", {}).get(MAYBE_DONE_AT) == known


def test_what_a_batch_sends_on_or_keeps_knows_which_report_needs_keys_to_be_repeated(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, batch: Callable[..., Any]
) -> None:
    kept = list[DeadLetter]()
    monkeypatch.setattr(usage_batch, "_keep", KEEP)
    monkeypatch.setattr(DeadLetters, "add", lambda self, letter: kept.append(letter))
    statuses = {"s0": answer(201), "s1": NOT_YET, "s2": answer(404), "s3": NOT_YET}
    monkeypatch.setattr(server, "next_step", lambda received: statuses[received.json["session_id"]])
    alone, _ = batch(headers={REPEAT_NEEDS_KEYS: ["0", "1", "2"]})
    found = {one["idempotency_key"]: one["headers"].get(REPEAT_NEEDS_KEYS) for _, one in alone}
    assert found == {"1": ["1"], "3": None}
    assert [kept_options(letter.payload)["headers"][REPEAT_NEEDS_KEYS] for letter in kept] == [["2"]]


@pytest.mark.parametrize(("lost", "noted"), [(cut, True), (answer(502), True), (answer(503), False)])
def test_a_batch_notes_that_one_of_its_reports_may_have_been_counted(
    server: FakeServer, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, lost: Step, noted: bool
) -> None:
    made, usual = list[Any](), type(track_usage_batch).signature_from_request

    def signed(self: Any, *args: Any, **options: Any) -> Any:
        made.append(usual(self, *args, **options))
        return Mock()

    monkeypatch.setattr(type(track_usage_batch), "signature_from_request", signed)
    steps = {"s0": answer(201), "s1": answer(503), "s2": lost, "s3": answer(503, {}, {"Retry-After": "5"})}
    monkeypatch.setattr(server, "next_step", lambda received: steps[received.json["session_id"]])
    with pytest.raises(Retry):
        batch(headers={})
    assert (MAYBE_DONE_AT in (made[0].options.get("headers") or {})) is noted
