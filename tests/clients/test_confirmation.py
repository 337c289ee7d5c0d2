"""A response about another id than was asked, as a cache or a proxy may give, is no response."""

from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers.clients.errors import SerializationError
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.compliance import ComplianceLevel
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry, RetentionPolicy
from support.fakes.http_server import FakeServer, answer

NOON = "2026-01-31T12:00:00Z"
SESSION = {"session_id": "other-7Kd", "model_id": "m", "started_at": NOON, "status": "completed"}
MODEL = {"model_id": "other-7Kd", "version": "1", "provider": "p", "created_at": NOON}
STATS = {"id": "other-7Kd", "from": NOON, "to": NOON}
ARCHIVE = {"id": "other-7Kd", "session_id": "s", "data": {}, "retention_days": 1, "archived_at": NOON}
RECEIPT = {"archive_id": "a", "session_id": "s", "status": "archived", "archived_at": NOON}
ENTRY = ArchiveEntry("s", {}, 365, "a")
POLICY = RetentionPolicy("p", 365, ComplianceLevel.STANDARD, policy_id="p-1")

Call = Callable[[RegistryClient, VaultClient], Any]
CALLS: dict[str, tuple[Call, Any]] = {
    "register_session": (lambda registry, _: registry.register_session(SessionRegistration("s", "m")), SESSION),
    "get_session": (lambda registry, _: registry.get_session("s"), SESSION),
    "status": (lambda registry, _: registry.update_session_status("s", SessionStatus.COMPLETED), SESSION),
    "get_model_metadata": (lambda registry, _: registry.get_model_metadata("m"), MODEL),
    "get_session_usage": (lambda registry, _: registry.get_session_usage("s"), STATS),
    "get_model_usage": (lambda registry, _: registry.get_model_usage("m"), STATS),
    "retrieve_session": (lambda _, vault: vault.retrieve_session("a"), ARCHIVE),
    "create_retention_policy": (
        lambda _, vault: vault.create_retention_policy(POLICY),
        {"policy_id": "other-7Kd"},
    ),
    "a receipt for another archive": (
        lambda _, vault: vault.archive_session(ENTRY),
        RECEIPT | {"archive_id": "other-7Kd"},
    ),
    "a receipt for another session": (
        lambda _, vault: vault.archive_session(ENTRY),
        RECEIPT | {"session_id": "other-7Kd"},
    ),
    "a receipt that says FAILED": (lambda _, vault: vault.archive_session(ENTRY), RECEIPT | {"status": "FAILED"}),
    "a receipt that says error": (lambda _, vault: vault.archive_session(ENTRY), RECEIPT | {"status": "error"}),
}


@pytest.mark.parametrize(("call", "response"), CALLS.values(), ids=list(CALLS))
def test_a_response_about_something_else_is_an_error_without_the_other_id(
    server: FakeServer, registry: RegistryClient, vault: VaultClient, call: Call, response: Any
) -> None:
    server.default = answer(200, response)
    with pytest.raises(SerializationError) as caught:
        call(registry, vault)
    assert "other-7Kd" not in str(caught.value)
    assert len(server.requests) == 1


def entry(session_id: str, archive_id: str) -> ArchiveEntry:
    return ArchiveEntry(session_id, {}, 365, archive_id)


TWO = [entry("s-1", "a-1"), entry("s-2", "a-2")]
ONE_SESSION_TWICE = [entry("s-1", "a-1"), entry("s-1", "a-2")]


@pytest.mark.parametrize(
    ("entries", "archived", "failed", "stored"),
    [
        (TWO, ["a-1", "a-2"], ["s-1"], ["a-2"]),
        (TWO, ["s-1", "s-2"], ["s-1"], ["a-2"]),
        (TWO, ["a-1", "a-2"], ["a-1"], ["a-2"]),
        (TWO, ["a-1", "a-3", "s-9"], [], ["a-1"]),
        (ONE_SESSION_TWICE, ["a-1"], ["s-1"], ["a-1"]),
        (ONE_SESSION_TWICE, ["a-1", "a-2"], ["s-1"], []),
        (ONE_SESSION_TWICE, ["s-1"], ["s-1"], []),
    ],
)
def test_an_archive_that_is_in_both_lists_is_not_stored(
    server: FakeServer, vault: VaultClient, entries: Any, archived: list[str], failed: list[str], stored: list[str]
) -> None:
    failures = [{"session_id": one, "error": "too large"} for one in failed]
    body = {"archived": archived, "failed": failures, "total": 2, "success_count": len(archived)}
    server.default = answer(200, body)
    found = vault.batch_archive(entries)
    assert found.archived == stored
    assert len(found.failed) == 2 - len(stored)
