"""Each vault operation against a request and an answer written by hand from the contract."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import VaultConfig
from memory_graph_workers.clients.errors import SerializationError
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.vault import (
    ArchiveEntry,
    ArchiveFailure,
    ArchiveResponse,
    BatchArchiveResponse,
    ComplianceLevel,
    RetentionPolicy,
    RetrievedArchive,
)
from support.fakes.http_server import FakeServer, answer

NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
ENTRY_TEXT = """{
  "id": "a-1", "session_id": "s-1", "data": {"prompts": ["Grüße, 世界 🌍"], "n": 1.5, "none": null},
  "archived_at": "2026-01-31T12:00:00Z", "retention_days": 365, "tags": ["production"],
  "metadata": {"user_id": "u-1"}
}"""
ENTRY = ArchiveEntry(
    "s-1",
    {"prompts": ["Grüße, 世界 🌍"], "n": 1.5, "none": None},
    365,
    "a-1",
    NOON,
    ["production"],
    {"user_id": "u-1"},
)
RECEIPT_TEXT = (
    '{"archive_id":"a-1","session_id":"s-1","status":"archived","archived_at":"2026-01-31T12:00:00.000000000Z"}'
)


@dataclass(frozen=True)
class Exchange:
    """What the contract says of an operation: the request that must come, the answer, what it must mean."""

    name: str
    call: Callable[[VaultClient], Any]
    method: str
    path: str
    answer: str
    means: Any
    body: str = ""
    status: int = 200
    has_key: bool = True
    is_archive: bool = False


EXCHANGES = [
    Exchange(
        "archive_session",
        lambda client: client.archive_session(ENTRY),
        "POST",
        "/api/v1/archive",
        RECEIPT_TEXT,
        ArchiveResponse("a-1", "s-1", "archived", NOON),
        ENTRY_TEXT,
        201,
        is_archive=True,
    ),
    Exchange(
        "batch_archive",
        lambda client: client.batch_archive([ENTRY]),
        "POST",
        "/api/v1/archive/batch",
        '{"archived": ["a-1"], "failed": [], "total": 1, "success_count": 1}',
        BatchArchiveResponse(["a-1"], 1, 1, []),
        f"[{ENTRY_TEXT}]",
        is_archive=True,
    ),
    Exchange(
        "retrieve_session",
        lambda client: client.retrieve_session("a-1"),
        "GET",
        "/api/v1/archive/a-1",
        ENTRY_TEXT,
        RetrievedArchive(**vars(ENTRY)),
    ),
    Exchange("delete_archive", lambda client: client.delete_archive("a-1"), "DELETE", "/api/v1/archive/a-1", "", None),
    Exchange(
        "create_retention_policy",
        lambda client: client.create_retention_policy(
            RetentionPolicy("HIPAA", 2555, ComplianceLevel.HIPAA, False, "7 years", "p-1", NOON, ["hipaa"])
        ),
        "POST",
        "/api/v1/policies",
        '{"policy_id": "p-1"}',
        "p-1",
        """{"policy_id": "p-1", "name": "HIPAA", "retention_days": 2555, "auto_delete": false,
            "compliance_level": "hipaa", "description": "7 years", "created_at": "2026-01-31T12:00:00Z",
            "tags": ["hipaa"]}""",
        201,
    ),
    Exchange(
        "apply_retention_policy",
        lambda client: client.apply_retention_policy("a-1", "p-1"),
        "PUT",
        "/api/v1/archive/a-1/policy",
        "",
        None,
        '{"policy_id": "p-1"}',
    ),
    Exchange("health_check", lambda client: client.health_check(), "GET", "/health", "up", True, has_key=False),
]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_operation_is_what_the_contract_says(server: FakeServer, vault: VaultClient, exchange: Exchange) -> None:
    server.answers(answer(exchange.status, exchange.answer))
    assert exchange.call(vault) == exchange.means
    (request,) = server.requests
    assert (request.method, request.path) == (exchange.method, exchange.path)
    assert request.json == json.loads(exchange.body) if exchange.body else request.body == b""
    assert request.headers.get("authorization") == ("Bearer key-canary-5Vq" if exchange.has_key else None)
    assert ("idempotency-key" in request.headers) is (exchange.method == "POST")
    wanted = "true" if exchange.is_archive else None
    assert request.headers.get("x-encryption-enabled") == request.headers.get("x-compression-enabled") == wanted


def test_every_operation_of_the_contract_is_in_the_table() -> None:
    assert len({exchange.name for exchange in EXCHANGES}) == 7


def test_archive_headers_follow_the_configuration(server: FakeServer) -> None:
    server.answers(answer(200, RECEIPT_TEXT))
    config = VaultConfig(server.url, "k", encryption_enabled=False, compression_enabled=True)
    with VaultClient(config) as client:
        client.archive_session(ENTRY)
    headers = server.requests[0].headers
    assert (headers["x-encryption-enabled"], headers["x-compression-enabled"]) == ("false", "true")


@pytest.mark.parametrize(
    ("more", "policy_id"), [("", None), (',"policy_id":"p-1"', "p-1"), (',"policy_id":null', None)]
)
def test_a_receipt_and_an_archive_may_say_how_long_they_are_kept(
    server: FakeServer, vault: VaultClient, more: str, policy_id: str | None
) -> None:
    told = f',"received_at":"2026-01-31T12:00:00Z","kept_until":"2027-01-31T12:00:00.5Z"{more}}}'
    server.answers(answer(201, RECEIPT_TEXT[:-1] + told), answer(200, ENTRY_TEXT[:-1] + told))
    for found in (vault.archive_session(ENTRY), vault.retrieve_session("a-1")):
        until = datetime(2027, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
        assert (found.received_at, found.kept_until, found.policy_id) == (NOON, until, policy_id)


@pytest.mark.parametrize(("more", "newest_id"), [("", None), (',"newest_archive_id":"a-2"', "a-2")])
def test_an_archive_may_say_which_is_the_newest_of_its_session(
    server: FakeServer, vault: VaultClient, more: str, newest_id: str | None
) -> None:
    server.answers(answer(200, f"{ENTRY_TEXT[:-1]}{more}}}"))
    assert vault.retrieve_session("a-1").newest_archive_id == newest_id


def test_a_null_archive_and_absent_lists_are_fine(server: FakeServer, vault: VaultClient) -> None:
    server.answers(
        answer(
            200,
            '{"id":"a","session_id":"s","data":null,"archived_at":"2026-01-31T12:00:00+00:00","retention_days":1,"x":1}',
        )
    )
    archive = vault.retrieve_session("a")
    assert (archive.data, archive.tags, archive.metadata) == (None, [], {})


def test_a_policy_without_its_id_in_the_answer_is_an_error(server: FakeServer, vault: VaultClient) -> None:
    server.answers(answer(201, {"policy": {"policy_id": "p"}}))
    with pytest.raises(SerializationError, match="policy_id"):
        vault.create_retention_policy(RetentionPolicy("n", 365, ComplianceLevel.STANDARD))
    assert len(server.requests) == 1


def entries(count: int) -> list[ArchiveEntry]:
    return [ArchiveEntry(f"s-{number}", {"n": number}, 365, f"a-{number}", NOON) for number in range(count)]


def batch(archived: list[str], failed: list[dict[str, str]] | None = None, total: int = 2) -> Any:
    return {"archived": archived, "failed": failed or [], "total": total, "success_count": len(archived)}


def test_a_large_batch_goes_in_several_requests_and_is_merged(server: FakeServer, vault: VaultClient) -> None:
    lost = [{"session_id": "s-1", "error": "too large"}]
    server.answers(
        answer(200, batch(["a-0"], lost)), answer(200, batch(["a-2", "a-3"])), answer(200, batch(["a-4"], total=1))
    )
    merged = vault.batch_archive(entries(5))
    assert [[entry["id"] for entry in request.json] for request in server.requests] == [
        ["a-0", "a-1"],
        ["a-2", "a-3"],
        ["a-4"],
    ]
    assert merged == BatchArchiveResponse(["a-0", "a-2", "a-3", "a-4"], 5, 4, [ArchiveFailure("s-1", "too large")])


def test_no_request_of_a_batch_has_more_bytes_than_may_be_except_for_one_entry_alone(server: FakeServer) -> None:
    texts = ["x" * size for size in (300, 300, 2000, 300, 300, 300)]
    many = [ArchiveEntry(f"s-{at}", text, 365, f"a-{at}", NOON) for at, text in enumerate(texts)]
    server.answers(*(answer(200, batch([])) for _ in range(4)))
    with VaultClient(VaultConfig(server.url, "key", batch_max_bytes=900)) as client:
        client.batch_archive(many)
    assert [[entry["id"] for entry in request.json] for request in server.requests] == [
        ["a-0", "a-1"],
        ["a-2"],
        ["a-3", "a-4"],
        ["a-5"],
    ]
    assert [len(request.body) <= 900 for request in server.requests] == [True, False, True, True]


def test_each_request_of_a_batch_has_the_key_and_the_digest_of_its_body(server: FakeServer, vault: VaultClient) -> None:
    server.answers(answer(200, batch(["a-0", "a-1"])), answer(200, batch(["a-2"], total=1)))
    vault.batch_archive(entries(3), idempotency_key="task-1")
    for request in server.requests:
        assert request.headers["idempotency-key"] == f"task-1:{hashlib.sha256(request.body).hexdigest()}"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 2


@pytest.mark.parametrize("archived", [["a-0"], ["s-0"]], ids=["archive ids", "session ids"])
def test_either_kind_of_id_is_matched_and_who_is_named_nowhere_has_failed(
    server: FakeServer, vault: VaultClient, archived: list[str]
) -> None:
    server.answers(answer(200, batch(archived)))
    result = vault.batch_archive(entries(2))
    assert result.archived == ["a-0"]
    assert [failure.session_id for failure in result.failed] == ["s-1"]


def test_who_is_in_both_lists_by_session_id_has_failed(server: FakeServer, vault: VaultClient) -> None:
    first, revision = ArchiveEntry("s-0", 1, 365, "a-0", NOON), ArchiveEntry("s-0", 2, 365, "a-0-revision", NOON)
    server.answers(answer(200, batch(["s-0"], [{"session_id": "s-0", "error": "timeout"}])))
    result = vault.batch_archive([first, revision])
    assert result.archived == []


def test_an_empty_batch_sends_nothing(server: FakeServer, vault: VaultClient) -> None:
    assert vault.batch_archive([]) == BatchArchiveResponse([], 0, 0, [])
    assert server.requests == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [("entry too large", True), ("duplicate session_id", True), ("The user said: my PIN is 1234", False), ("", False)],
)
def test_a_reason_is_kept_only_where_it_can_not_quote_a_conversation(
    server: FakeServer, vault: VaultClient, said: str, kept: bool
) -> None:
    server.answers(answer(200, batch([], [{"session_id": "s-0", "error": said}], total=1)))
    (failure,) = vault.batch_archive(entries(1)).failed
    assert failure.error == (said if kept else "refused by the vault")
