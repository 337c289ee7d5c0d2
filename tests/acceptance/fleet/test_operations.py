"""Every operation as a task: through a real broker and a real worker to the real services."""

from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from celery import Celery, chain
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters, Reason
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks import registry as registry_tasks
from memory_graph_workers.tasks import vault as vault_tasks
from support.broker import close
from support.our_app import KEYS
from support.servers import ON
from support.waiting import LONGEST_SECS, until


def answer(sent: Any) -> Any:
    return sent.get(timeout=LONGEST_SECS)


def letter_of(task_id: str) -> DeadLetter:
    """The dead letter of a task; it is written a moment after the result, and before the acknowledgement."""
    letters = DeadLetters(connections.redis(), KEYS)
    until(lambda: letters.get(task_id))
    return cast(DeadLetter, letters.get(task_id))


@pytest.fixture
def session_id(registry: RegistryClient) -> str:
    made = f"s/{uuid4()}:1"
    registry.register_session(SessionRegistration(made, "acme/model:1"))
    return made


@pytest.fixture
def archive_id(vault: VaultClient) -> str:
    return vault.archive_session(ArchiveEntry("s", {"text": "hello"}, 365)).archive_id


def test_a_session_lives_through_its_tasks(fleet: Stack) -> None:
    made = f"s/{uuid4()}:é"
    assert answer(registry_tasks.register_session.delay(SessionRegistration(made, "m")))["status"] == "active"
    assert answer(registry_tasks.update_session_status.delay(made, SessionStatus.COMPLETED))["status"] == "completed"
    assert answer(registry_tasks.get_session.delay(made))["ended_at"].endswith("Z")
    reopened = answer(registry_tasks.reopen_session.delay(made))
    assert (reopened["status"], reopened["ended_at"]) == ("active", None)
    registry_tasks.delete_session.apply_async((made,), ignore_result=False).get(timeout=LONGEST_SECS)
    registry_tasks.delete_session.apply_async((made,), ignore_result=False).get(timeout=LONGEST_SECS)
    with pytest.raises(Refused, match="404"):
        answer(registry_tasks.get_session.delay(made))


def test_usage_is_counted_once_however_often_it_is_sent(session_id: str) -> None:
    report = UsageReport(session_id, 10, 20, model_id="acme/model:1")
    for _ in range(3):
        registry_tasks.track_usage.apply_async((report,), task_id=f"call-{session_id}", ignore_result=False).get(
            timeout=LONGEST_SECS
        )
        registry_tasks.track_usage.apply_async(
            (report,), {"idempotency_key": f"key-{session_id}"}, ignore_result=False
        ).get(timeout=LONGEST_SECS)
    assert answer(registry_tasks.get_session_usage.delay(session_id))["total_tokens"] == 60


def test_what_is_sent_twice_under_one_id_has_one_effect(fleet: Stack) -> None:
    made = f"twice-{uuid4()}"
    entry = {"session_id": made, "data": {"text": "hello"}, "retention_days": 365}
    policy = {"name": made, "retention_days": 90, "compliance_level": "standard"}
    calls: list[tuple[Any, dict[str, Any]]] = [
        (registry_tasks.register_session, {"session_id": made, "model_id": "m"}),
        (registry_tasks.update_session_status, {"session_id": made, "status": "completed"}),
        (registry_tasks.reopen_session, {"session_id": made}),
        (vault_tasks.archive_session, entry),
        (vault_tasks.batch_archive, {"entries": [entry]}),
        (vault_tasks.create_retention_policy, policy),
    ]
    for task, call in calls:
        first, second = (_sent(task, call, f"{task.name}-{made}") for _ in range(2))
        assert first == second


def _sent(task: Any, call: dict[str, Any], task_id: str) -> Any:
    sent = task.apply_async(kwargs=call, task_id=task_id, ignore_result=False)
    found = answer(sent)
    sent.forget()  # else the next one under this id has its result before it runs
    return found


def test_a_task_id_that_no_log_can_carry_is_refused(fleet: Stack) -> None:
    with pytest.raises(ValidationError, match="task_id"):
        registry_tasks.list_sessions.apply_async(task_id="é")


def test_listings_and_models_answer(session_id: str) -> None:
    assert answer(registry_tasks.list_sessions.delay(page_size=1))["total"] >= 1
    assert answer(registry_tasks.list_models.delay())["models"][0]["parameters"]["temperature"] == 1.0
    assert answer(registry_tasks.get_model_metadata.delay("acme/model:1"))["model_id"] == "acme/model:1"
    assert answer(registry_tasks.get_model_usage.delay("acme/model:1"))["avg_latency_ms"] >= 0


def test_both_services_answer_to_a_health_check(fleet: Stack) -> None:
    assert answer(registry_tasks.health_check.delay()) is True
    assert answer(vault_tasks.health_check.delay()) is True


def test_an_archive_is_stored_read_back_and_kept(fleet: Stack) -> None:
    entry = ArchiveEntry("s-1", {"text": "🜁 שלום \u0000"}, 365, tags=["production"])
    receipt = answer(vault_tasks.archive_session.delay(entry))
    assert answer(vault_tasks.retrieve_session.delay(receipt["archive_id"]))["data"] == entry.data
    with pytest.raises(Refused, match=r"kept until .*: retention is not over .*409") as caught:
        vault_tasks.delete_archive.apply_async((receipt["archive_id"],), ignore_result=False).get(timeout=LONGEST_SECS)
    assert caught.value.fields == {"reason": "retention_not_over", "kept_until": receipt["kept_until"]}


def test_a_batch_of_plain_mappings_is_stored(fleet: Stack) -> None:
    entries: Any = [{"session_id": f"b-{n}", "data": {"n": n}, "retention_days": 365} for n in range(3)]
    assert answer(vault_tasks.batch_archive.delay(entries))["success_count"] == 3


def test_a_policy_is_created_and_applied(archive_id: str) -> None:
    policy = RetentionPolicy("HIPAA", 2555, ComplianceLevel.HIPAA)
    policy_id = answer(vault_tasks.create_retention_policy.delay(policy))
    vault_tasks.apply_retention_policy.apply_async((archive_id, policy_id), ignore_result=False).get(
        timeout=LONGEST_SECS
    )
    assert answer(vault_tasks.retrieve_session.delay(archive_id))["retention_days"] == 2555


def test_the_policies_of_a_level_and_of_some_days_are_created_once(fleet: Stack) -> None:
    first, second = (answer(archival.create_compliance_policy.delay(ComplianceLevel.PCI)) for _ in range(2))
    assert first == second
    assert answer(archival.create_standard_policy.delay(90)) != first


def test_a_session_can_be_archived_by_hand(finished: Callable[..., str], vault: VaultClient) -> None:
    session_id = finished("Archive me.")
    archived = answer(archival.archive_session.delay(session_id))
    entry = vault.retrieve_session(archived["archive_id"])
    assert entry.data["prompts"][0]["content"] == "Archive me."
    assert entry.tags == ["manual", "standard"]
    assert entry.metadata["archived_by"] == "archival_scheduler"


def test_some_sessions_can_be_archived_by_hand(finished: Callable[..., str], vault: VaultClient) -> None:
    session_id = finished()
    found = answer(archival.archive_sessions.delay([session_id, "unknown"]))
    assert set(found["archived"]) == {session_id}
    assert set(vault.retrieve_session(found["archived"][session_id]).tags) == {"manual", "batch", "standard"}
    assert found["failed"] == {"unknown": "vanished from the registry"}


def test_a_chain_keeps_its_order(fleet: Stack) -> None:
    made = str(uuid4())
    last = chain(
        registry_tasks.register_session.si(SessionRegistration(made, "m")),
        registry_tasks.track_usage.si(UsageReport(made, 1, 2)),
        registry_tasks.update_session_status.si(made, SessionStatus.FAILED),
    ).apply_async()
    assert answer(last)["total_tokens"] == 3


@pytest.fixture
def plain(fleet: Stack) -> Iterator[Celery]:
    """An app that knows nothing of this package."""
    if ON in ("sentinel", "cluster"):
        pytest.skip("Celery's own transport finds no server through sentinels' or a cluster's address")
    url = fleet.environ["REDIS_URL"]
    with Celery(broker=url, backend=url, set_as_current=False) as app:
        yield app
        close(app)


def test_an_app_without_this_package_sends_by_name(plain: Celery, session_id: str) -> None:
    report = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 1}
    queue = "memory_graph.registry"
    plain.send_task("memory_graph.registry.track_usage", [report], queue=queue).get(timeout=LONGEST_SECS)
    usage = plain.send_task("memory_graph.registry.get_session_usage", [session_id], queue=queue).get(
        timeout=LONGEST_SECS
    )
    assert usage["total_tokens"] == 2


def test_a_wrong_payload_on_the_queue_fails_at_once_and_is_kept(plain: Celery) -> None:
    wrong = {"report": {"session_id": "s", "prompt_tokens": "many", "completion_tokens": 1, "tokns": 3}}
    sent = plain.send_task("memory_graph.registry.track_usage", kwargs=wrong, queue="memory_graph.registry")
    with pytest.raises(ValidationError) as failed:
        sent.get(timeout=LONGEST_SECS)
    assert set(failed.value.messages) == {"prompt_tokens", "tokns"}
    letter = letter_of(sent.id)
    assert letter.reason is Reason.INVALID_PAYLOAD
    assert letter.attempts == 1


def test_a_refusal_fails_at_once_with_status_and_request_id(fleet: Stack) -> None:
    sent = registry_tasks.get_session.delay("nobody")
    with pytest.raises(Refused) as failed:
        sent.get(timeout=LONGEST_SECS)
    letter = letter_of(sent.id)
    assert failed.value.status == 404
    assert (letter.status, letter.request_id, letter.attempts) == (404, failed.value.request_id, 1)
