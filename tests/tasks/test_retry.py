"""A task that is tried again says what it said the first time: the idempotency key is the same, so the body must be."""

from typing import Any

import pytest
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.vault import archive_session

# As a sender in another language leaves them: no moment, no id.
REPORT = {"report": {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}}
ENTRY = {"entry": {"session_id": "s", "data": {"a": 1}, "retention_days": 3}}


@pytest.mark.parametrize(("task", "sent"), [(track_usage, REPORT), (archive_session, ENTRY)], ids=["usage", "archive"])
@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}], ids=["no key", "a key"])
def test_a_retry_says_what_was_said_first(task: Any, sent: dict[str, Any], key: dict[str, str]) -> None:
    kwargs = {**sent, **key}
    task.push_request(id="one", args=[], kwargs=kwargs)
    try:
        again = task.signature_from_request()
        assert task.received((), again.kwargs) == task.received((), kwargs)
    finally:
        task.pop_request()
