"""Sends one message of each task, and some with options, as producers of this release do.

`python -m releases.producer` reads names of samples from its input, sends each, and says so; see messages.py.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from celery import chain
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.tasks import archival, registry, vault
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.usage import UsageReporter

MODEL = "acme/model:1"
SESSION = "message-session"
USAGE: dict[str, Any] = {"session_id": SESSION, "prompt_tokens": 10, "completion_tokens": 20}
FAR = datetime(2099, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
DATA = ArchiveEntry(SESSION, {"said": "🙂", "n": 2**60}, 365, "message-archive", MOMENT, ["t"], {"m": 1})


def fixed(name: str) -> str:
    """A task's id, the same each time."""
    return str(uuid5(NAMESPACE_URL, name))


def send(task: Any, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> Callable[[str], object]:
    """A call that sends a task under the id of its sample's name."""
    return lambda name: task.apply_async(args, kwargs, task_id=fixed(name), **(options or {}))


def report_in_batch(name: str) -> None:
    with UsageReporter() as reporter:
        for number in range(2):
            reporter.report(**USAGE, metadata={"n": number}, idempotency_key=fixed(f"{name}-{number}"))


def of_health(task: Any) -> Callable[[str], object]:
    """As `send`; but without its expiry of a minute, so that a worker runs it years later."""
    return send(task, options={"expires": FAR})


CALLS: dict[str, Callable[[str], object]] = {
    "registry.register_session": send(
        registry.register_session, SessionRegistration(SESSION, MODEL, "1", MOMENT, {"user": "Zoë"}, ["t"])
    ),
    "registry.register_session by fields": send(registry.register_session, session_id="message-fields", model_id=MODEL),
    "registry.list_sessions": send(registry.list_sessions, 1, 10, SessionStatus.ACTIVE, started_before=FAR),
    "registry.get_session": send(registry.get_session, SESSION),
    "registry.update_session_status": send(registry.update_session_status, SESSION, SessionStatus.COMPLETED),
    "registry.reopen_session": send(registry.reopen_session, SESSION),
    "registry.list_models": send(registry.list_models),
    "registry.get_model_metadata": send(registry.get_model_metadata, MODEL),
    "registry.track_usage": send(registry.track_usage, UsageReport(**USAGE, model_id=MODEL, timestamp=MOMENT)),
    "registry.track_usage with a key": send(registry.track_usage, **USAGE, idempotency_key="message-key"),
    "registry.track_usage with a countdown": send(registry.track_usage, **USAGE, options={"countdown": 2}),
    "registry.track_usage with options": send(
        registry.track_usage,
        **USAGE,
        options={"expires": FAR, "priority": 3, "time_limit": 60, "soft_time_limit": 50, "headers": {"tenant": "t"}},
    ),
    "registry.track_usage in a chain": lambda name: chain(
        registry.track_usage.si(**USAGE).set(task_id=fixed(name)),
        registry.update_session_status.si(SESSION, SessionStatus.COMPLETED).set(task_id=fixed(f"{name}-2")),
    ).apply_async(),
    "registry.get_session with callbacks": send(
        registry.get_session,
        SESSION,
        options={"link": registry.list_models.si(), "link_error": registry.list_models.si()},
    ),
    "registry.track_usage in bulk": lambda name: enqueue_many(
        registry.track_usage, [USAGE, USAGE], task_ids=[fixed(f"{name}-{number}") for number in range(2)]
    ),
    "registry.track_usage_batch": report_in_batch,
    "registry.get_session_usage": send(registry.get_session_usage, SESSION),
    "registry.get_model_usage": send(registry.get_model_usage, MODEL),
    "registry.health_check": of_health(registry.health_check),
    "vault.health_check": of_health(vault.health_check),
    "vault.archive_session": send(vault.archive_session, DATA),
    "vault.batch_archive": send(vault.batch_archive, [DATA, ArchiveEntry(SESSION, None, 1, "message-2", MOMENT)]),
    "vault.retrieve_session": send(vault.retrieve_session, "message-archive"),
    "vault.create_retention_policy": send(
        vault.create_retention_policy,
        RetentionPolicy("sample", 2555, ComplianceLevel.GDPR, policy_id="message-policy", created_at=MOMENT),
    ),
    "vault.apply_retention_policy": send(vault.apply_retention_policy, "message-archive", "message-policy"),
    "vault.delete_archive": send(vault.delete_archive, "message-gone"),
    "archival.create_compliance_policy": send(archival.create_compliance_policy, ComplianceLevel.PCI),
    "archival.create_standard_policy": send(archival.create_standard_policy, 400),
    "archival.archive_session": send(archival.archive_session, "message-conversation"),
    "archival.archive_sessions": send(archival.archive_sessions, ["message-conversation"]),
    "archival.sweep": send(archival.sweep),
    "archival.sweep of beat": send(archival.sweep, trigger=Trigger.BEAT),
    "archival.walk_page": send(archival.walk_page, fixed("archival.sweep"), 1, 0, {"page": 1, "listed": 0}),
    "archival.archive_batch": send(archival.archive_batch, fixed("archival.sweep"), [SESSION]),
    "archival.watch": send(archival.watch),
    "registry.delete_session": send(registry.delete_session, "message-fields"),
}

# What the usage samples add up to, each counted once: seven that come alone or in bulk, and two in a batch.
TOLD = {"session_id": SESSION, "total_tokens": 9 * 30}

if __name__ == "__main__":
    for line in sys.stdin:
        CALLS[line.rstrip()](line.rstrip())
        print("sent", flush=True)  # noqa: T201
