"""Sessions that are read in one request, where the Registry takes that."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import IntegrationError, ServiceUnavailable
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from support.fakes.http_server import FakeServer, Step, answer, cut

IDS = ["s/1", "s-2", "s-3"]
ROW = """{"session_id": "s/1", "model_id": "m", "started_at": "2026-01-31T12:00:00Z", "ended_at": null,
  "status": "completed", "prompt_count": 1, "total_tokens": 2, "metadata": {"a": 1}}"""
SESSION = SessionInfo("s/1", "m", datetime(2026, 1, 31, 12, tzinfo=UTC), SessionStatus.COMPLETED, None, 1, 2, {"a": 1})


def health(facts: Any) -> Step:
    return answer(200, {"capabilities": {"session_batch": facts}})


@pytest.fixture
def client(server: FakeServer) -> Iterator[RegistryClient]:
    with RegistryClient(RegistryConfig(server.url, timeout_secs=5.0), retry_policy=RetryPolicy(max_attempts=1)) as made:
        yield made


KNOWS = health({"most": 3})


def asked(server: FakeServer) -> list[str]:
    return [request.path for request in server.requests]


def test_the_request_carries_the_ids_and_the_response_the_sessions(server: FakeServer, client: RegistryClient) -> None:
    server.answers(KNOWS, answer(200, f'{{"sessions": [{ROW}]}}'.encode()))
    assert client.get_sessions(IDS) == {"s/1": SESSION}
    sent = server.requests[1]
    assert (sent.method, sent.path, sent.body) == ("POST", "/api/v1/sessions/read", b'["s/1","s-2","s-3"]')


def test_rows_that_cannot_be_read_or_were_not_asked_for_are_left_out(
    server: FakeServer, client: RegistryClient
) -> None:
    broken, another = '{"session_id": "s-2"}', ROW.replace("s/1", "s-9")
    server.answers(KNOWS, answer(200, f'{{"sessions": [{broken}, {another}, {ROW}]}}'.encode()))
    assert client.get_sessions(IDS) == {"s/1": SESSION}


@pytest.mark.parametrize("facts", [None, {}, {"most": 2}, {"most": "3"}, {"most": True}, {"most": 0}, [3]])
def test_more_than_the_registry_takes_is_not_asked_for(server: FakeServer, client: RegistryClient, facts: Any) -> None:
    server.answers(health(facts))
    assert client.get_sessions(IDS) == {}
    assert asked(server) == ["/health"]


@pytest.mark.parametrize("said", [answer(404), answer(405), answer(501), answer(200, []), answer(200, b"<html>")])
def test_a_registry_that_does_not_know_the_request_is_not_asked_again(
    server: FakeServer, client: RegistryClient, said: Step
) -> None:
    server.answers(KNOWS, said)
    assert [client.get_sessions(IDS), client.get_sessions(IDS)] == [{}, {}]
    assert asked(server) == ["/health", "/api/v1/sessions/read"]


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_request_that_is_refused_finds_none(server: FakeServer, client: RegistryClient, status: int) -> None:
    server.answers(KNOWS, answer(status), answer(200, f'{{"sessions": [{ROW}]}}'.encode()))
    assert [client.get_sessions(IDS), client.get_sessions(IDS)] == [{}, {"s/1": SESSION}]


@pytest.mark.parametrize(("said", "kind"), [(cut, IntegrationError), (answer(503), ServiceUnavailable)])
def test_a_request_without_a_response_fails(
    server: FakeServer, client: RegistryClient, said: Step, kind: type[Exception]
) -> None:
    server.answers(KNOWS, said)
    with pytest.raises(kind):
        client.get_sessions(IDS)
