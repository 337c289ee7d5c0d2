"""A task that is tried again says what it said the first time: the idempotency key is the same, so the body must be."""

from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import Retry
from kombu.exceptions import OperationalError
from memory_graph_workers.tasks.archival import tasks as archival
from memory_graph_workers.tasks.archival.tasks import walk_page
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.vault import archive_session
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

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


@pytest.mark.parametrize("away", [OperationalError, RedisConnectionError, OutOfMemoryError])
def test_a_task_whose_own_code_finds_the_broker_away_or_full_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, away: Callable[[], Exception]
) -> None:
    def raises(*args: Any, **kwargs: Any) -> None:
        raise away()

    monkeypatch.setattr(archival, "sweeps", raises)
    monkeypatch.setattr(type(walk_page), "signature_from_request", lambda *args, **kwargs: _Sendable())
    call = {"sweep_id": "s", "pass_number": 1, "index": 0, "cursor": {}}
    walk_page.push_request(id="one", args=[], kwargs=call, called_directly=False, is_eager=False)
    try:
        with pytest.raises(Retry):
            walk_page(**call)
    finally:
        walk_page.pop_request()


class _Sendable:
    """A signature that goes nowhere."""

    def apply_async(self, **options: Any) -> None:
        return None
