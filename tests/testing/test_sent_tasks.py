"""What `sent_tasks` records, what it tells a test that fails, and what stays as it is in production."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chain, chord, group
from memory_graph_workers.clients.errors import NotFound
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionInfo, SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.tasks import archival, vault
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import get_session, register_session, track_usage, update_session_status
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.testing import NoResult, SentTasks, UnknownTask, recording

STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_call_is_found_by_some_of_its_parameters(sent_tasks: SentTasks) -> None:
    task_id = register_session.delay(session_id="s-1", model_id="gpt-4", tags=["a"], started_at=STARTED).id
    sent = sent_tasks.assert_sent(register_session, session_id="s-1")
    assert (sent.id, sent.queue, sent.fields["model_id"]) == (task_id, "memory_graph.registry", "gpt-4")
    sent_tasks.assert_sent(register_session, tags=["a"], started_at=STARTED)
    sent_tasks.assert_not_sent(register_session, session_id="s-1", model_id="gpt-5")
    sent_tasks.assert_not_sent(get_session)


def test_a_failure_shows_what_was_sent(sent_tasks: SentTasks) -> None:
    register_session.delay(SessionRegistration("s-1", "gpt-4"))
    with pytest.raises(AssertionError) as raised:
        sent_tasks.assert_sent(register_session, session_id="s-2")
    told = str(raised.value)
    assert told.startswith("Not sent: memory_graph.registry.register_session(session_id='s-2')")
    assert "memory_graph.registry.register_session(session_id='s-1', model_id='gpt-4'" in told
    with pytest.raises(AssertionError, match=r"Sent, 1 times: .*session_id='s-1'"):
        sent_tasks.assert_not_sent(register_session, session_id="s-1")


def test_nothing_sent_is_said_so(sent_tasks: SentTasks) -> None:
    sent_tasks.assert_not_sent()
    with pytest.raises(AssertionError, match=r"No task was sent\."):
        sent_tasks.assert_sent(get_session)


@pytest.mark.parametrize(
    ("send", "error"),
    [
        (lambda: register_session.delay(session_id="", model_id="m"), ValidationError),
        (lambda: register_session.delay(sesion_id="s", model_id="m"), ValidationError),
        (
            lambda: register_session.delay(session_id="s", model_id="m", metadata={"a": "x" * 33 * 2**20}),
            ValidationError,
        ),
        (lambda: track_usage.si(session_id="s", prompt_tokens=-1, completion_tokens=1), ValidationError),
        (lambda: enqueue_many(get_session, ["s", ""]), ValidationError),
        (lambda: update_session_status.delay("s"), TypeError),
    ],
)
def test_a_wrong_call_is_refused_as_in_production(sent_tasks: SentTasks, send: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        send()
    sent_tasks.assert_not_sent()


def test_every_way_of_sending_is_recorded(sent_tasks: SentTasks) -> None:
    get_session.delay("by-delay")
    get_session.apply_async(("by-apply",), task_id="mine", countdown=60)
    enqueue_many(get_session, [("many-1",), {"session_id": "many-2"}])
    group(get_session.si("group-1"), get_session.si("group-2")).apply_async()
    names = ["by-delay", "by-apply", "many-1", "many-2", "group-1", "group-2"]
    assert [one.fields["session_id"] for one in sent_tasks.calls(get_session)] == names
    mine = sent_tasks.assert_sent(get_session, session_id="by-apply")
    due_in = datetime.fromisoformat(mine.options["eta"]) - datetime.now(UTC)
    assert (mine.id, due_in > timedelta(seconds=50)) == ("mine", True)


def test_the_steps_of_a_chain_are_recorded_in_their_order(sent_tasks: SentTasks) -> None:
    steps = (
        register_session.si(session_id="s", model_id="m"),
        group(track_usage.si(UsageReport("s", 1, 2)), track_usage.si(UsageReport("s", 3, 4))),
        update_session_status.si("s", SessionStatus.COMPLETED),
    )
    chain(*steps).apply_async()
    first, *others = sent_tasks.calls()
    names = ["register_session", "track_usage", "track_usage", "update_session_status"]
    assert [one.task.rpartition(".")[2] for one in (first, *others)] == names
    assert (first.after, {one.after for one in others}) == ("", {first.id})
    sent_tasks.assert_sent(update_session_status, status=SessionStatus.COMPLETED)


def test_the_end_of_a_chord_is_recorded_once(sent_tasks: SentTasks) -> None:
    chord([get_session.si("a"), get_session.si("b")], get_session.si("end")).apply_async()
    assert [one.fields["session_id"] for one in sent_tasks.calls()] == ["a", "end", "b"]


def test_reports_of_a_reporter_are_calls_of_track_usage(sent_tasks: SentTasks) -> None:
    with UsageReporter() as reporter:
        key = reporter.report(session_id="s-1", prompt_tokens=1, completion_tokens=2)
        reporter.report(session_id="s-2", prompt_tokens=1, completion_tokens=2)
        assert sent_tasks.assert_sent(track_usage, session_id="s-1", prompt_tokens=1).id == key
        with pytest.raises(ValidationError):
            reporter.report(session_id="s-1", prompt_tokens=-1, completion_tokens=2)
    assert len(sent_tasks.calls(track_usage)) == 2


def test_a_report_that_nobody_looked_at_is_not_in_the_next_test() -> None:
    reporter = UsageReporter()
    with recording():
        reporter.report(session_id="s-1", prompt_tokens=1, completion_tokens=2)
    with recording() as sent:
        reporter.close()
        sent.assert_not_sent()


def test_results_are_those_that_the_test_sets(sent_tasks: SentTasks) -> None:
    sent_tasks.returns(get_session, {"status": "active"})
    sent_tasks.raises(vault.retrieve_session, NotFound("no archive"))
    assert get_session.delay("s-1").get(timeout=1)["status"] == "active"
    assert chain(register_session.si(session_id="s", model_id="m"), get_session.si("s")).apply_async().get(timeout=1)
    failed = vault.retrieve_session.delay("a-1")
    assert failed.state == "FAILURE"
    with pytest.raises(NotFound, match="no archive"):
        failed.get(timeout=1)


def test_a_model_is_returned_as_the_dict_that_production_returns(sent_tasks: SentTasks) -> None:
    sent_tasks.returns(get_session, SessionInfo("s-1", "gpt-4", STARTED, SessionStatus.ACTIVE))
    found = get_session.delay("s-1").get(timeout=1)
    assert (found["status"], found["started_at"]) == ("active", "2026-01-31T12:00:00Z")


def test_a_result_that_no_task_can_have_is_refused(sent_tasks: SentTasks) -> None:
    for task, value in ((get_session, {"status": object()}), (get_session, {1, 2}), (track_usage, {"counted": True})):
        with pytest.raises(TypeError):
            sent_tasks.returns(task, value)
    sent_tasks.returns(track_usage, None)
    with pytest.raises(TypeError, match="Give an error"):
        sent_tasks.raises(get_session, NotFound)  # pyright: ignore[reportArgumentType]


def test_waiting_for_a_result_that_was_not_set_fails_at_once(sent_tasks: SentTasks) -> None:
    waiting = get_session.delay("s-1")
    assert not waiting.ready()
    with pytest.raises(NoResult, match=r"sent_tasks\.returns\(get_session, …\)"):
        waiting.get(timeout=30)


def test_a_task_without_a_result_gives_none_as_in_production(sent_tasks: SentTasks) -> None:
    assert track_usage.delay(session_id="s", prompt_tokens=1, completion_tokens=2).get(timeout=1) is None
    assert len(sent_tasks.calls()) == 1


def test_a_task_that_nobody_registered_is_named(sent_tasks: SentTasks) -> None:
    with pytest.raises(UnknownTask, match=r"Did you mean memory_graph\.registry\.register_session"):
        sent_tasks.assert_not_sent("memory_graph.registry.regster_session")
    with pytest.raises(UnknownTask, match="is not a task of"):
        sent_tasks.returns(len, 1)
    with pytest.raises(UnknownTask, match="'nobody' is not a task of"):
        app.send_task("nobody", queue="memory_graph.registry")
    assert sent_tasks.calls("memory_graph.registry.get_session") == []
    get_session.delay("s")
    with pytest.raises(UnknownTask, match="None is not a task of"):
        sent_tasks.assert_sent(None)


def test_a_task_that_is_sent_by_its_name_is_recorded_by_the_names_of_its_parameters(sent_tasks: SentTasks) -> None:
    app.send_task(get_session.name, args=("s-1",), queue="memory_graph.registry")
    app.send_task(track_usage.name, args=({"session_id": "s-2"},), queue="memory_graph.registry")
    sent_tasks.assert_sent(get_session, session_id="s-1")
    sent_tasks.assert_sent(track_usage, session_id="s-2")


def test_a_parameter_that_the_task_lacks_is_refused(sent_tasks: SentTasks) -> None:
    with pytest.raises(TypeError, match=r"has no parameter sesion_id: it takes .*session_id"):
        sent_tasks.assert_not_sent(register_session, sesion_id="s")
    with pytest.raises(TypeError, match="Name the task"):
        sent_tasks.assert_not_sent(session_id="s")


def test_what_was_sent_can_be_forgotten(sent_tasks: SentTasks) -> None:
    archival.archive_session.delay("s-1")
    sent_tasks.clear()
    sent_tasks.assert_not_sent()


def test_only_one_block_records() -> None:
    with recording() as first:
        with pytest.raises(RuntimeError, match="Tasks are recorded already"), recording():
            pass
        get_session.delay("s")
        first.assert_sent(get_session, session_id="s")
