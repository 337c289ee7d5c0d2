"""Calls that do many things in one request, where the service takes them: each entry gets what it would get alone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    IntegrationError,
    NotFound,
    Refused,
    ServiceUnavailable,
)
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import KeyedUsageReport
from support.fakes.http_server import FakeServer, Step, answer, cut

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
REPORTS = [KeyedUsageReport(f"s{n}", n, 1, timestamp=AT, idempotency_key=f"k{n}") for n in range(3)]
SENT = (
    b'[{"session_id":"s0","prompt_tokens":0,"completion_tokens":1,"model_id":"","total_tokens":1,"latency_ms":null,'
    b'"timestamp":"2026-01-31T12:00:00Z","metadata":{},"idempotency_key":"k0"},'
)


def health(**more: Any) -> Step:
    return answer(200, {"capabilities": {"idempotency": {"kept_days": None}, "usage_batch": {"most": 3}, **more}})


def outcome(accepted: int, *failed: tuple[int, int, str]) -> Step:
    named = [{"index": index, "status": status, "reason": reason} for index, status, reason in failed]
    return answer(200, {"accepted": accepted, "failed": named})


@pytest.fixture
def client(server: FakeServer) -> Iterator[RegistryClient]:
    config = RegistryConfig(server.url, "key", timeout_secs=5.0, honours_idempotency="auto")
    with RegistryClient(config, retry_policy=RetryPolicy(max_attempts=1)) as made:
        yield made


def asked(server: FakeServer) -> list[str]:
    return [request.path for request in server.requests]


def test_a_batch_is_one_request_whose_entries_carry_their_keys(server: FakeServer, client: RegistryClient) -> None:
    server.answers(health(), outcome(3))
    assert client.track_usage_batch(REPORTS) == [None, None, None]
    assert asked(server) == ["/health", "/api/v1/usage/batch"]
    assert server.requests[1].body.startswith(SENT)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "told"),
    [
        (404, "No session has this id.", NotFound, "Not Found"),
        (409, "key_reused", Refused, "came with another path or body"),
        (409, "quotes a conversation", Refused, "Conflict"),
        (422, "invalid: {'metadata': ['quotes a conversation']}", Refused, ""),
        (401, "", AuthenticationError, "REGISTRY_API_KEY"),
        (500, "", ServiceUnavailable, "Internal Server Error"),
        (503, "", ServiceUnavailable, "Service Unavailable"),
        (302, "", Refused, "redirect"),
    ],
)
def test_an_entry_gets_the_error_that_it_would_get_alone(
    server: FakeServer, client: RegistryClient, status: int, reason: str, kind: type[IntegrationError], told: str
) -> None:
    server.answers(health(), outcome(2, (1, status, reason)))
    errors = client.track_usage_batch(REPORTS)
    assert errors is not None
    assert [errors[0], errors[2]] == [None, None]
    assert type(errors[1]) is kind
    assert told in str(errors[1])
    assert (errors[1].service, errors[1].operation, errors[1].status) == ("registry", "track_usage_batch", status)
    assert "conversation" not in repr(errors[1])


@pytest.mark.parametrize(
    "facts", [None, {}, {"most": 2}, {"most": "3"}, {"most": True}, {"most": 0}, {"most": -1}, {"most": None}, [3]]
)
def test_a_batch_that_the_registry_does_not_take_is_not_sent(
    server: FakeServer, client: RegistryClient, facts: Any
) -> None:
    server.answers(health(usage_batch=facts))
    assert client.track_usage_batch(REPORTS) is None
    assert asked(server) == ["/health"]


def test_no_batch_is_sent_where_keys_are_not_known(server: FakeServer, client: RegistryClient) -> None:
    server.answers(answer(200, {"capabilities": {"usage_batch": {"most": 1000}}}))
    assert client.track_usage_batch(REPORTS) is None


@pytest.mark.parametrize("status", [404, 405, 406, 501])
def test_a_registry_that_lost_the_route_is_not_asked_again(
    server: FakeServer, client: RegistryClient, status: int
) -> None:
    server.answers(health(), answer(status))
    assert [client.track_usage_batch(REPORTS), client.track_usage_batch(REPORTS)] == [None, None]
    assert asked(server) == ["/health", "/api/v1/usage/batch"]


@pytest.mark.parametrize("status", [400, 409, 413, 422, 500])
def test_a_batch_that_is_refused_as_a_whole_is_left_to_its_entries(
    server: FakeServer, client: RegistryClient, status: int
) -> None:
    server.answers(health(), answer(status), outcome(3))
    assert client.track_usage_batch(REPORTS) is None
    assert client.track_usage_batch(REPORTS) == [None, None, None]


@pytest.mark.parametrize(
    "said",
    [
        outcome(2),
        outcome(4),
        outcome(3, (0, 404, "")),
        outcome(2, (3, 404, "")),
        outcome(1, (0, 404, ""), (0, 404, "")),
        answer(200, {"status": "ok"}),
        answer(200, []),
        answer(200, b"<html>"),
    ],
)
def test_a_response_about_something_else_counts_for_none(
    server: FakeServer, client: RegistryClient, said: Step
) -> None:
    server.answers(health(), said)
    assert client.track_usage_batch(REPORTS) is None
    assert client.track_usage_batch(REPORTS) is None  # nor is it asked again
    assert asked(server) == ["/health", "/api/v1/usage/batch"]


@pytest.mark.parametrize(("said", "kind"), [(cut, IntegrationError), (answer(503), ServiceUnavailable)])
def test_a_batch_without_a_response_fails_as_a_whole(
    server: FakeServer, client: RegistryClient, said: Step, kind: type[Exception]
) -> None:
    server.answers(health(), said)
    with pytest.raises(kind):
        client.track_usage_batch(REPORTS)
