"""A batch of archives whose entries name their policy, where the vault takes that."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import RetryPolicy, VaultConfig
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.vault import ArchiveEntry
from support.fakes.http_server import FakeServer, Step, answer

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ENTRIES = [ArchiveEntry(f"s{n}", {"n": n}, 365, f"a{n}", AT) for n in (1, 2)]
HEALTH = answer(200, {"capabilities": {"archive_policy": {}}})
OLD = (
    b'{"session_id":"s1","data":{"n":1},"retention_days":365,"id":"a1","archived_at":"2026-01-31T12:00:00Z",'
    b'"tags":[],"metadata":{}}'
)
PLACED = OLD[:-1] + b',"policy_id":"p-1"}'
ROUTE = "/api/v1/archive/batch"


def stored(archived: list[str], failed: list[tuple[str, str]] | None = None, **more: Any) -> Step:
    named = [{"session_id": session_id, "error": error} for session_id, error in failed or []]
    count = len(archived)
    return answer(200, {"archived": archived, "failed": named, "total": 2, "success_count": count, **more})


@pytest.fixture
def client(server: FakeServer) -> Iterator[VaultClient]:
    config = VaultConfig(server.url, "key", timeout_secs=5.0)
    with VaultClient(config, retry_policy=RetryPolicy(max_attempts=1)) as made:
        yield made


def asked(server: FakeServer) -> list[str]:
    return [request.path for request in server.requests]


def test_entries_carry_their_policy_and_the_response_confirms_it(server: FakeServer, client: VaultClient) -> None:
    server.answers(HEALTH, stored(["a1", "a2"], policies={"a1": "p-1", "a2": "p-1"}))
    done = client.batch_archive_under_policy(ENTRIES, "p-1", idempotency_key="k")
    assert (done.archived, done.policies) == (["a1", "a2"], {"a1": "p-1", "a2": "p-1"})
    assert asked(server) == ["/health", ROUTE]
    body = server.requests[1].body
    assert body.startswith(b"[" + PLACED + b',{"session_id":"s2"')
    assert server.requests[1].headers["idempotency-key"] == f"k:{hashlib.sha256(body).hexdigest()}"


def test_a_vault_without_it_gets_what_it_got_before(server: FakeServer, client: VaultClient) -> None:
    server.answers(answer(404), stored(["a1", "a2"]))
    done = client.batch_archive_under_policy(ENTRIES, "p-1")
    assert (done.archived, done.policies) == (["a1", "a2"], {})
    assert server.requests[1].body.startswith(b"[" + OLD + b",")


def test_a_batch_of_no_policy_names_none_and_asks_for_no_health(server: FakeServer, client: VaultClient) -> None:
    server.answers(stored(["a1", "a2"]))
    assert client.batch_archive(ENTRIES).policies is None
    assert asked(server) == [ROUTE]


@pytest.mark.parametrize(
    "refusal",
    [
        answer(400),
        answer(422),
        stored([], [("s1", "invalid: {'policy_id': ['Unknown field.']}"), ("s2", "invalid")]),
    ],
    ids=["400", "422", "nothing done"],
)
def test_a_vault_that_lost_it_gets_the_old_form_at_once_under_another_key(
    server: FakeServer, client: VaultClient, refusal: Step
) -> None:
    server.answers(HEALTH, refusal, stored(["a1", "a2"]), stored(["a1", "a2"]))
    assert client.batch_archive_under_policy(ENTRIES, "p-1", idempotency_key="k").archived == ["a1", "a2"]
    assert server.requests[2].body.startswith(b"[" + OLD + b",")
    keys = {request.headers["idempotency-key"] for request in server.requests[1:]}
    assert len(keys) == 2
    client.batch_archive_under_policy(ENTRIES, "p-1", idempotency_key="k")
    assert server.requests[3].body == server.requests[2].body  # it is not asked again


def test_a_vault_that_took_no_notice_is_not_asked_to_store_again(server: FakeServer, client: VaultClient) -> None:
    server.answers(HEALTH, stored(["a1", "a2"]), stored(["a1", "a2"]))
    done = client.batch_archive_under_policy(ENTRIES, "p-1")
    assert (done.archived, done.policies) == (["a1", "a2"], {})
    client.batch_archive_under_policy(ENTRIES, "p-1")
    assert asked(server) == ["/health", ROUTE, ROUTE]
    assert b"policy_id" not in server.requests[2].body


def test_entries_that_all_failed_where_policies_are_known_are_not_sent_again(
    server: FakeServer, client: VaultClient
) -> None:
    server.answers(HEALTH, stored([], [("s1", "conflict"), ("s2", "conflict")], policies={}))
    done = client.batch_archive_under_policy(ENTRIES, "p-1")
    assert (done.archived, [one.session_id for one in done.failed]) == ([], ["s1", "s2"])
    assert asked(server) == ["/health", ROUTE]


@pytest.mark.parametrize(
    "policies", [{"a1": "p-2"}, {"a1": None}, {"a1": ["p-1"]}, {"s1": "p-1"}, {"a2": "p-1"}, {}, {"a9": "p-1"}]
)
def test_only_an_archived_entry_under_the_policy_that_was_asked_for_is_confirmed(
    server: FakeServer, client: VaultClient, policies: dict[str, Any]
) -> None:
    server.answers(HEALTH, stored(["a1"], [("s2", "conflict")], policies=policies))
    done = client.batch_archive_under_policy(ENTRIES, "p-1")
    assert (done.archived, done.policies) == (["a1"], {})


def test_an_odd_list_of_policies_confirms_none(server: FakeServer, client: VaultClient) -> None:
    server.answers(HEALTH, stored(["a1", "a2"], policies=None), stored(["a1", "a2"], policies=None))
    assert client.batch_archive_under_policy(ENTRIES, "p-1").policies == {}


def test_a_batch_that_is_too_large_is_refused_once(server: FakeServer, client: VaultClient) -> None:
    server.answers(HEALTH, answer(413))
    with pytest.raises(Refused):
        client.batch_archive_under_policy(ENTRIES, "p-1")
    assert asked(server) == ["/health", ROUTE]


def test_a_request_stays_in_its_size_with_the_policies(server: FakeServer) -> None:
    server.answers(HEALTH, stored(["a1"], policies={}), stored(["a2"], policies={}))
    most_bytes = len(b"[" + OLD + b"," + OLD + b"]")  # enough for both without
    with VaultClient(VaultConfig(server.url, "key", batch_max_bytes=most_bytes)) as client:
        client.batch_archive_under_policy(ENTRIES, "p-1")
    assert [len(request.body) <= most_bytes for request in server.requests[1:]] == [True, True]
