"""Tasks that run where they are sent, against the real services without sockets, and with no key."""

import socket
import threading
from typing import Any

import pytest
from celery import chain
from celery.exceptions import AlwaysEagerIgnored
from memory_graph_workers.clients.errors import NotFound, Refused
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.tasks import archival, vault
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import (
    get_session,
    get_session_usage,
    health_check,
    register_session,
    reopen_session,
    track_usage,
    update_session_status,
)
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.testing import InlineTasks, NotInline, inline, recording


@pytest.fixture(autouse=True)
def without_keys_and_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGISTRY_URL", "REGISTRY_API_KEY", "VAULT_URL", "VAULT_API_KEY", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    connect, others = socket.socket.connect, set(threading.enumerate())  # those of earlier tests may go on as before

    def refuse(self: Any, address: Any) -> None:
        if threading.current_thread() in others - {threading.main_thread()}:
            return connect(self, address)
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_session_lives_its_life(inline_tasks: InlineTasks) -> None:
    assert health_check.delay().get(timeout=1) is True
    chain(
        register_session.si(SessionRegistration("s-1", "gpt-4")),
        track_usage.si(session_id="s-1", prompt_tokens=1, completion_tokens=2),
        update_session_status.si("s-1", SessionStatus.COMPLETED),
    ).apply_async()
    assert inline_tasks.registry.get_session("s-1").status is SessionStatus.COMPLETED
    assert get_session_usage.delay("s-1").get(timeout=1)["total_tokens"] == 3
    reopen_session.delay("s-1")
    assert get_session.delay("s-1").get(timeout=1)["status"] == "active"


def test_an_archive_is_read_back(inline_tasks: InlineTasks) -> None:
    stored = vault.archive_session.delay(session_id="s-1", data={"a": "b"}, retention_days=365).get(timeout=1)
    assert inline_tasks.vault.retrieve_session(stored["archive_id"]).data == {"a": "b"}
    several = vault.batch_archive.delay([{"session_id": "s", "data": 1, "retention_days": 30}]).get(timeout=1)  # pyright: ignore
    assert several["success_count"] == 1


def test_a_report_that_is_sent_twice_counts_once(inline_tasks: InlineTasks) -> None:
    inline_tasks.registry.register_session(SessionRegistration("s-1", "gpt-4"))
    for _ in range(2):
        call = {"session_id": "s-1", "prompt_tokens": 1, "completion_tokens": 2}
        track_usage.apply_async(kwargs=call, task_id="answer-1")
    with UsageReporter() as reporter:
        for _ in range(2):
            reporter.report(session_id="s-1", prompt_tokens=1, completion_tokens=2, idempotency_key="answer-2")
        assert inline_tasks.registry.get_session_usage("s-1").total_tokens == 6


def test_every_test_begins_with_empty_services(inline_tasks: InlineTasks) -> None:
    assert inline_tasks.registry.list_sessions().sessions == []


def test_a_session_that_is_not_there_fails_at_once(inline_tasks: InlineTasks) -> None:
    late = track_usage.delay(session_id="none", prompt_tokens=1, completion_tokens=2)
    with pytest.raises(NotFound):
        late.get(timeout=1)
    with UsageReporter() as reporter:
        reporter.report(session_id="none", prompt_tokens=1, completion_tokens=2)
        assert [one.task for one in inline_tasks.failed] == [track_usage.name, track_usage.name]


def test_a_contradiction_is_refused_as_by_the_service(inline_tasks: InlineTasks) -> None:
    register_session.delay(session_id="s", model_id="a")
    register_session.delay(session_id="s", model_id="b")
    (failure,) = inline_tasks.failed
    assert isinstance(failure.error, Refused)
    assert failure.error.status == 409


def test_a_report_that_contradicts_its_key_fails_without_a_dead_letter(inline_tasks: InlineTasks) -> None:
    register_session.delay(session_id="s", model_id="a")
    with UsageReporter() as reporter:
        for tokens in (1, 2):
            reporter.report(session_id="s", prompt_tokens=tokens, completion_tokens=2, idempotency_key="k")
        (failure,) = inline_tasks.failed
    assert isinstance(failure.error, Refused)


def test_what_reads_the_graph_says_that_there_is_none(inline_tasks: InlineTasks) -> None:
    register_session.delay(session_id="s", model_id="m")
    archival.archive_session.delay("s")
    assert "which inline tasks lack" in str(inline_tasks.failed[0].error)


def test_a_sweep_says_that_there_is_no_redis(inline_tasks: InlineTasks) -> None:
    archival.sweep.delay()
    assert "inline tasks have no Redis" in str(inline_tasks.failed[-1].error)


def test_many_calls_run_where_they_are_sent(inline_tasks: InlineTasks) -> None:
    enqueue_many(register_session, [{"session_id": f"s-{number}", "model_id": "m"} for number in range(3)])
    assert inline_tasks.registry.list_sessions().total == 3


def test_a_result_is_found_by_the_id_of_its_task(inline_tasks: InlineTasks) -> None:
    sent = register_session.delay(session_id="s", model_id="m")
    assert register_session.AsyncResult(sent.id).get(timeout=1)["session_id"] == "s"
    failed = get_session.delay("none")
    with pytest.raises(NotFound):
        get_session.AsyncResult(failed.id).get(timeout=1)
    assert (get_session.AsyncResult("nobody").state, len(inline_tasks.failed)) == ("PENDING", 1)
    with pytest.raises(NotInline, match="No task with the id nobody"):
        get_session.AsyncResult("nobody").get(timeout=1)


def test_a_task_that_is_sent_by_its_name_reaches_no_broker(inline_tasks: InlineTasks) -> None:
    with pytest.warns(AlwaysEagerIgnored), pytest.raises(NotInline, match="record it with sent_tasks"):
        app.send_task("memory_graph.registry.get_session", kwargs={"session_id": "s"})


def test_one_block_at_a_time() -> None:
    with inline():
        with pytest.raises(RuntimeError, match="Tasks run inline already"), recording():
            pass
        with pytest.raises(RuntimeError, match="Tasks run inline already"), inline():
            pass
    with recording() as sent, pytest.raises(RuntimeError, match="Tasks are recorded already"), inline():
        pass
    sent.assert_not_sent()
