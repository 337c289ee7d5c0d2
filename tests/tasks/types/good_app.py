"""What a user writes: no type checker finds anything in it, however strict."""

from datetime import UTC, datetime

from celery import chain
from memory_graph_workers import outbox
from memory_graph_workers.schemas.calls import UsageReportFields
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.schemas.results import SessionInfoDict
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel
from memory_graph_workers.tasks import archival, vault
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import (
    get_session,
    register_session,
    reopen_session,
    track_usage,
    update_session_status,
)
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.testing import InlineTasks, SentTasks, recording


def register(session_id: str) -> SessionInfoDict:
    """By a model, by its fields, and with a key of one's own."""
    register_session.delay(SessionRegistration("s", "m"), idempotency_key="k")
    register_session.delay(registration=SessionRegistration("s", "m"))
    register_session.delay(session_id="s", model_id="m", idempotency_key="k", started_at=datetime.now(UTC))
    register_session.apply_async((SessionRegistration("s", "m"),), countdown=1)
    return register_session.delay(session_id=session_id, model_id="m", tags=["t"]).get(timeout=30)


def results() -> tuple[str, str | None, int, str]:
    """What a task returns is known to its keys."""
    session = get_session.delay("s").get(timeout=1)
    policy_id = vault.create_retention_policy.delay(
        name="gdpr-1", retention_days=1, compliance_level=ComplianceLevel.GDPR
    ).get(timeout=1)
    archived = archival.archive_session.delay(session_id="s").get()["archive_id"]
    stored = vault.batch_archive.delay([ArchiveEntry("s", {"any": "JSON"}, 365)]).get()
    return archived + policy_id, session["ended_at"], stored["success_count"], stored["failed"][0]["error"]


def in_order() -> None:
    """A chain."""
    chain(
        register_session.si(session_id="s", model_id="m"),
        register_session.si(SessionRegistration("s", "m")),
        track_usage.s(session_id="s", prompt_tokens=1, completion_tokens=2),
        get_session.s(),
        update_session_status.si("s", SessionStatus.COMPLETED),
        reopen_session.si("s"),
        archival.sweep.si(),
    ).apply_async()


def going_on(session_id: str) -> str:
    """Let a session go on, at once and as of a time of one's own."""
    reopen_session.delay(session_id, asked_at=datetime.now(UTC), idempotency_key="k")
    reopen_session.apply_async((session_id,), task_id="t")
    enqueue_many(reopen_session, [(session_id,), {"session_id": "t"}])
    return reopen_session.delay(session_id).get(timeout=1)["status"]


def many(reports: list[UsageReportFields]) -> list[str]:
    """Many calls in one go."""
    enqueue_many(register_session, [SessionRegistration("s", "m")])
    enqueue_many(register_session, [SessionRegistration("s", "m"), {"session_id": "t", "model_id": "m"}])
    enqueue_many(vault.archive_session, [{"session_id": "s", "data": {}, "retention_days": 365}])
    enqueue_many(get_session, [("s",), {"session_id": "t"}])
    enqueue_many(track_usage, reports, task_ids=["a"])
    return enqueue_many(register_session, ({"session_id": f"s-{number}", "model_id": "m"} for number in range(9)))


def in_a_transaction(cursor: object) -> list[str]:
    """By a row of one's own database."""
    first = outbox.send_with_cursor(cursor, register_session, SessionRegistration("s", "m"), idempotency_key="k")
    second = outbox.send_with_cursor(cursor, register_session, session_id="s", model_id="m")
    return [first, second, outbox.send_with_cursor(cursor, update_session_status, "s", SessionStatus.COMPLETED)]


def usage() -> str:
    """Reports off the request path."""
    with UsageReporter(batch_size=10) as reporter:
        reporter.report(session_id="s", prompt_tokens=1, completion_tokens=2)
        reporter.report(UsageReport("s", 1, 2), idempotency_key="k")
        return reporter.report(session_id="s", prompt_tokens=1, completion_tokens=2, idempotency_key="k")


async def from_a_coroutine(session_id: str) -> tuple[SessionInfoDict, str]:
    """Sent and awaited without blocking the loop."""
    await register_session.asend(SessionRegistration("s", "m"), idempotency_key="k")
    by_fields = await register_session.asend(session_id=session_id, model_id="m", tags=["t"])
    async with UsageReporter(when_full="drop") as reporter:
        reporter.report(session_id="s", prompt_tokens=1, completion_tokens=2)
    return await by_fields.aget(timeout=30), (await (await get_session.asend("s")).aget())["status"]


def test_registers(sent_tasks: SentTasks, inline_tasks: InlineTasks) -> None:
    """What a test of an application says."""
    sent_tasks.returns(get_session, {"status": "active"})
    assert sent_tasks.assert_sent(register_session, session_id="s").id
    sent_tasks.assert_not_sent(track_usage)
    assert inline_tasks.registry.get_session("s").status is SessionStatus.ACTIVE
    with recording() as sent:
        assert not sent.calls()
