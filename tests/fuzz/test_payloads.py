"""Task payloads: what a producer may send, a worker takes; what it refuses, a worker refuses, too."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads
from memory_graph_workers.delivery import UnfitMessage
from memory_graph_workers.delivery.messages.envelope import is_too_deep
from memory_graph_workers.delivery.messages.message import MESSAGE_MAX_BYTES, refuse_unfit
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.tasks import archival, registry, vault
from support.fuzzing import JSON, TIMES, examples, nested, objects

MOMENT = "2026-01-31T12:00:00Z"
CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "register": (registry.register_session, {"session_id": "s", "model_id": "m", "started_at": MOMENT, "tags": ["t"],
                                             "metadata": {}}),
    "usage": (registry.track_usage, {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
                                     "timestamp": MOMENT, "metadata": {}, "latency_ms": 5}),
    "status": (registry.update_session_status, {"session_id": "s", "status": "completed"}),
    "archive": (vault.archive_session, {"session_id": "s", "data": {}, "retention_days": 5, "id": "a", "tags": []}),
    "batch": (vault.batch_archive, {"entries": [{"session_id": "s", "data": {}, "retention_days": 5}]}),
    "policy": (vault.create_retention_policy, {"name": "n", "retention_days": 5, "compliance_level": "standard"}),
    "by hand": (archival.archive_session, {"session_id": "s"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_producer_and_worker_judge_alike(name: str) -> None:
    task, right = CALLS[name]
    payload = task.parameters.payload

    @given(drawn=objects(right))
    @examples(60)
    def judged(drawn: dict[str, Any]) -> None:
        judged_alike(task, {payload: drawn} if payload else drawn)

    judged()


@given(kwargs=st.dictionaries(st.sampled_from(["session_id", "data", "id", "retention_days"]), JSON | TIMES))
@example(kwargs={"session_id": "s", "retention_days": 5, "data": nested(97)})
@example(kwargs={"session_id": "s", "retention_days": 5, "data": nested(90)})
@examples(60)
def test_an_entry_of_any_depth_is_judged_alike(kwargs: dict[str, Any]) -> None:
    judged_alike(vault.archive_session, {"entry": kwargs})


def judged_alike(task: Any, kwargs: dict[str, Any]) -> None:
    try:
        text = dumps([[], task.checked((), kwargs, "task-1"), {}])
        refuse_unfit(text, {}, MESSAGE_MAX_BYTES)  # as the transport does before it sends
    except (ValidationError, TypeError, UnfitMessage):
        assert not is_taken(task, kwargs), "the producer refuses what a worker takes"
        return
    assert not is_too_deep(text), "a worker sets aside what the producer sent"
    assert is_taken(task, loads(text)[1]), "a worker refuses what the producer sent"


def is_taken(task: Any, kwargs: dict[str, Any]) -> bool:
    try:
        text = json.dumps([[], kwargs, {}])
        if is_too_deep(text):
            return False
        task.parameters.received((), loads(text)[1], seed="task-1")
    except ValidationError:
        return False
    return True
