"""Which failures a circuit breaker counts: a request that always fails counts once."""

from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers.clients.breaker import Breaker
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.errors import (
    ConnectionError,
    HttpError,
    ServiceUnavailable,
    Timeout,
)
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.registry import SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from support.breakers import fail_as
from support.fakes.http_server import FakeServer, answer

STATUSES = list(SessionStatus)
REPORT = UsageReport("s", 1, 2)
REQUESTS: dict[str, Callable[[RegistryClient, VaultClient, int], Any]] = {
    "one id": lambda registry, _, number: registry.get_model_metadata("gpt-4"),
    "one id, other content": lambda registry, _, number: registry.update_session_status("s", STATUSES[number % 2]),
    "one payload": lambda registry, _, number: registry.track_usage(REPORT),
    "a listing, whichever page": lambda registry, _, number: registry.list_models(number),
    "one archive, other times": lambda _, vault, number: vault.archive_session(ArchiveEntry("s", {}, 365, "a")),
    "one batch, other times": lambda _, vault, number: vault.batch_archive([ArchiveEntry("s", {}, 365, "a")]),
}


@pytest.mark.parametrize("status", [500, 502, 503, 599])
@pytest.mark.parametrize("call", REQUESTS.values(), ids=list(REQUESTS))
def test_one_request_that_always_fails_never_opens_it(server: FakeServer, call: Any, status: int) -> None:
    server.default = answer(status)
    breaker, once = Breaker("both"), RetryPolicy(max_attempts=1)
    with (
        RegistryClient(
            RegistryConfig(server.url, honours_idempotency=True), breaker=breaker, retry_policy=once
        ) as registry,
        VaultClient(VaultConfig(server.url, "k"), breaker=breaker, retry_policy=once) as vault,
    ):
        for number in range(8):
            with pytest.raises(ServiceUnavailable):
                call(registry, vault, number)
    assert (breaker.state, len(server.requests)) == ("closed", 8)


def test_five_different_requests_open_it_however_often_each_is_repeated(breaker: Breaker) -> None:
    fail_as(breaker, *"abcd" * 10)
    assert breaker.state == "closed"
    fail_as(breaker, "e")
    assert breaker.state == "open"


def test_one_id_in_five_operations_is_five_requests(breaker: Breaker) -> None:
    for number in range(5):
        fail_as(breaker, "a", "a", operation=f"get-{number}")
    assert breaker.state == "open"


def test_a_success_ends_the_row_and_what_was_counted_in_it(breaker: Breaker) -> None:
    fail_as(breaker, *"abcd")
    breaker.call(lambda: "up")
    fail_as(breaker, *"abcd")
    assert breaker.state == "closed"
    fail_as(breaker, "e")
    assert breaker.state == "open"


@pytest.mark.parametrize("error", [Timeout(), ConnectionError(), HttpError(status=200)], ids=repr)
def test_a_lost_connection_always_counts(breaker: Breaker, error: Exception) -> None:
    fail_as(breaker, *"aaaa", error=error)
    assert breaker.state == "closed"
    fail_as(breaker, "a", error=error)
    assert breaker.state == "open"


def test_a_bug_that_one_request_meets_counts_once(breaker: Breaker) -> None:
    fail_as(breaker, *"aaaaaaaa", error=ValueError("of ours"))
    assert breaker.state == "closed"


def test_a_health_check_that_succeeds_does_not_hide_that_all_else_fails(breaker: Breaker) -> None:
    for request in "abcde":
        fail_as(breaker, request)
        if breaker.state == "closed":
            assert breaker.call(lambda: "healthy", "health_check", is_health_check=True) == "healthy"
    assert breaker.state == "open"
