"""A call is checked before it is sent, and again when it arrives; what may vary is fixed in between."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.fields import AskedAt, Days
from memory_graph_workers.schemas.registry import SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import registry, vault  # noqa: F401  what tasks may take is known from their modules
from memory_graph_workers.tasks.parameters import Parameters


def report_usage(report: UsageReport, *, idempotency_key: str | None = None) -> None: ...
def store(entries: Sequence[ArchiveEntry]) -> None: ...
def move(session_id: str, status: SessionStatus, page: int | None = None) -> str: ...
def keep(days: Annotated[int, Days]) -> str: ...


USAGE, STORE, MOVE, KEEP = (Parameters(function) for function in (report_usage, store, move, keep))
PLAIN = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
ENTRY = {"session_id": "s", "data": {"a": 1}, "retention_days": 3}


def test_a_model_a_mapping_and_plain_keywords_send_the_same() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    by_model = USAGE.to_send((UsageReport("s", 1, 2, timestamp=moment),), {})
    by_mapping = USAGE.to_send((), {"report": {**PLAIN, "timestamp": "2026-01-02T00:00:00Z"}})
    by_keyword = USAGE.to_send((), {**PLAIN, "timestamp": "2026-01-02T01:00:00+01:00"})
    assert by_model == by_mapping == by_keyword
    assert by_model["report"]["total_tokens"] == 3


def test_what_would_vary_is_fixed_by_the_producer() -> None:
    sent = STORE.to_send(([ENTRY],), {})["entries"][0]
    assert UUID(sent["id"]).version == 4
    assert sent["archived_at"].endswith("Z")


def test_a_second_sending_under_the_same_task_id_is_the_same() -> None:
    first, second = (STORE.to_send(([ENTRY, ENTRY],), {}, "task-1") for _ in range(2))
    assert first == second
    assert "archived_at" not in first["entries"][0]
    assert first["entries"][0]["id"] != first["entries"][1]["id"]


def test_what_a_foreign_sender_left_out_is_the_same_in_every_run() -> None:
    first, second = (USAGE.received((), {"report": PLAIN}, "task-1") for _ in range(2))
    assert first == second
    assert first["report"].timestamp is None


@pytest.mark.parametrize(
    ("parameters", "arguments", "named"),
    [
        (USAGE, {**PLAIN, "prompt_tokens": -1}, {"prompt_tokens"}),
        (USAGE, {"report": {**PLAIN, "tokens": 1, "model_id": 7}}, {"tokens", "model_id"}),
        (USAGE, {"report": 5}, {"_schema"}),
        (STORE, {"entries": [ENTRY, {**ENTRY, "retention_days": 0}]}, {"entries"}),
        (STORE, {"entries": "no list"}, {"entries"}),
        (KEEP, {"days": 0}, {"days"}),
        (MOVE, {"session_id": "..", "status": "gone"}, {"session_id", "status"}),
        (MOVE, {"session_id": "s", "status": "active", "page": "1"}, {"page"}),
    ],
)
def test_a_wrong_value_is_named_on_both_sides(
    parameters: Parameters, arguments: dict[str, Any], named: set[str]
) -> None:
    with pytest.raises(ValidationError) as sending:
        parameters.to_send((), arguments)
    with pytest.raises(ValidationError) as receiving:
        parameters.received((), arguments, "task-1")
    assert set(sending.value.messages) == set(receiving.value.messages) == named


def test_a_misspelt_parameter_is_a_type_error_in_the_producer() -> None:
    with pytest.raises(TypeError):
        USAGE.to_send((), {"raport": PLAIN})


def test_a_misspelt_parameter_on_the_queue_is_a_validation_error_that_names_the_right_ones() -> None:
    with pytest.raises(ValidationError) as caught:
        USAGE.received((), {"raport": PLAIN}, "task-1")
    assert caught.value.messages == {"parameters": ["Must be those of (report, idempotency_key=None)."]}


def test_values_travel_as_plain_json() -> None:
    assert MOVE.to_send(("s", SessionStatus.ACTIVE), {}) == {"session_id": "s", "status": "active"}
    assert type(MOVE.to_send(("s", SessionStatus.ACTIVE), {})["status"]) is str


def test_plain_keywords_go_together_with_a_key() -> None:
    sent = USAGE.to_send((), {**PLAIN, "idempotency_key": "call-1"}, "call-1")
    assert sent["idempotency_key"] == "call-1"
    assert sent["report"]["session_id"] == "s"
    assert sent == USAGE.to_send((), {**PLAIN, "idempotency_key": "call-1"}, "call-1")


def reopened(session_id: str, asked_at: Annotated[datetime | None, AskedAt] = None) -> str: ...


def test_a_producer_says_when_a_change_was_asked_for() -> None:
    parameters = Parameters(reopened)
    sent = parameters.to_send(("s",), {})
    assert abs(datetime.fromisoformat(sent["asked_at"]) - datetime.now(UTC)).total_seconds() < 60
    assert parameters.to_send((), sent) == sent
    assert parameters.received((), {"session_id": "s"}, "seed") == {"session_id": "s"}
    assert parameters.to_send(("s",), {"asked_at": None})["asked_at"]
