"""Sessions that go on, as a client asks for it: of a registry that can reopen, and of one that cannot."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import NotFound, Refused, TransientError
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionStatus
from support.fakes.http_server import FakeServer, Step, answer, cut, reset

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_TEXT = "2026-01-31T12:00:00Z"
ACTIVE = answer(200, {"session_id": "s", "model_id": "m", "started_at": NOON_TEXT, "status": "active"})
NONE = answer(200, {"sessions": [], "total": 0})
OLD = answer(200, {"status": "healthy"})


def healthy(**capabilities: Any) -> Any:
    return answer(200, {"status": "healthy", "capabilities": capabilities})


def mark(client: RegistryClient) -> Any:
    return client.update_session_status("s", SessionStatus.ARCHIVED, NOON, NOON)


def find(client: RegistryClient) -> Any:
    return client.list_sessions(2, 50, SessionStatus.FAILED, ended_before=NOON)


PLAIN_MARK = ("/api/v1/sessions/s/status", {"status": "archived"})
FULL_MARK = (PLAIN_MARK[0], {"status": "archived", "if_ended_at": NOON_TEXT, "asked_at": NOON_TEXT})
PLAIN_FIND = ("/api/v1/sessions?page=2&page_size=50&status=failed", None)
FULL_FIND = (f"{PLAIN_FIND[0]}&ended_before=2026-01-31T12%3A00%3A00Z", None)


@pytest.fixture
def client(server: FakeServer) -> Iterator[RegistryClient]:
    with RegistryClient(RegistryConfig(server.url, "key", timeout_secs=5), retry_policy=RetryPolicy(3)) as made:
        yield made


def sent(server: FakeServer) -> list[Any]:
    """What was asked after /health."""
    return [(one.path, one.json if one.body else None) for one in server.requests if one.path != "/health"]


@pytest.mark.parametrize("status", [404, 405, 406, 501])
def test_a_registry_that_cannot_reopen_refuses_it_for_good_and_says_what_to_do(
    server: FakeServer, client: RegistryClient, status: int
) -> None:
    server.answers(answer(status, {}), OLD)
    with pytest.raises(Refused) as refused:
        client.reopen_session("s")
    assert not isinstance(refused.value, TransientError)
    assert refused.value.status == status
    assert "/health names no `reopen`; the session stays as it is: register what follows" in str(refused.value)
    assert len(sent(server)) == 1


def test_a_session_that_a_registry_does_not_have_is_named_as_such(server: FakeServer, client: RegistryClient) -> None:
    server.answers(answer(404, {"code": 404, "message": "No session has this id."}), healthy(reopen={}))
    with pytest.raises(Refused) as refused:
        client.reopen_session("s")
    assert "names no" not in str(refused.value)


def test_a_session_is_reopened_without_asking_health_which_may_be_a_proxys(
    server: FakeServer, client: RegistryClient
) -> None:
    server.answers(ACTIVE)
    assert client.reopen_session("s", idempotency_key="k").status is SessionStatus.ACTIVE
    (request,) = server.requests
    assert request.headers["idempotency-key"] == "k"


@pytest.mark.parametrize(
    ("call", "capabilities", "wanted"),
    [
        (mark, {"reopen": {}}, FULL_MARK),
        (mark, {}, PLAIN_MARK),
        (find, {"session_filters": ["status", "started_before", "ended_before"]}, FULL_FIND),
        (find, {"session_filters": ["status"]}, PLAIN_FIND),
        (find, {"session_filters": {"ended_before": 1}}, PLAIN_FIND),
        (find, {}, PLAIN_FIND),
    ],
)
def test_fields_and_filters_go_to_a_registry_that_names_them(
    server: FakeServer,
    client: RegistryClient,
    call: Callable[[RegistryClient], Any],
    capabilities: dict[str, Any],
    wanted: Any,
) -> None:
    server.answers(healthy(**capabilities), NONE if call is find else ACTIVE)
    call(client)
    assert sent(server) == [wanted]


UNREADABLE = [cut, reset, *map(answer, (301, 401, 403, 429, 500, 502, 503, 504)), answer(200, "up"), answer(200, [])]


@pytest.mark.parametrize("health", [*UNREADABLE, answer(200, {"capabilities": "none"})])
def test_the_guards_of_a_mark_are_sent_where_health_could_not_be_read(
    server: FakeServer, client: RegistryClient, health: Step
) -> None:
    server.answers(health, ACTIVE, ACTIVE)
    mark(client)
    mark(client)
    assert sent(server) == [FULL_MARK] * 2


@pytest.mark.parametrize("status", [404, 405, 406, 501])
def test_a_registry_without_a_health_certainly_knows_no_guards(
    server: FakeServer, client: RegistryClient, status: int
) -> None:
    server.answers(answer(status), ACTIVE)
    mark(client)
    assert sent(server) == [PLAIN_MARK]


def test_a_thread_that_cannot_wait_for_anothers_reading_takes_nothing_for_certain(client: RegistryClient) -> None:
    with client.capabilities._lock:
        assert client.capabilities.facts("reopen", 0.0) is None
        assert client.capabilities.may_have("reopen", 0.0)


@pytest.mark.parametrize("status", [400, 422])
def test_a_registry_that_refuses_the_guards_gets_them_once_though_its_health_could_not_be_read(
    server: FakeServer, client: RegistryClient, status: int
) -> None:
    server.answers(answer(503), answer(status, {}), ACTIVE, ACTIVE)
    mark(client)
    mark(client)
    assert sent(server) == [FULL_MARK, PLAIN_MARK, PLAIN_MARK]


@pytest.mark.parametrize("health", UNREADABLE)
def test_a_missing_session_is_not_put_down_to_a_health_that_could_not_be_read(
    server: FakeServer, client: RegistryClient, health: Step
) -> None:
    server.answers(answer(404, {"code": 404, "message": "No session has this id."}), health)
    with pytest.raises(NotFound) as refused:
        client.reopen_session("s")
    assert "names no" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("call", "forms"), [(mark, [FULL_MARK, PLAIN_MARK]), (find, [FULL_FIND, PLAIN_FIND])])
def test_a_registry_that_refuses_them_all_the_same_gets_the_old_form_once_more(
    server: FakeServer, client: RegistryClient, call: Callable[[RegistryClient], Any], forms: list[Any], status: int
) -> None:
    done = NONE if call is find else ACTIVE
    server.answers(healthy(reopen={}, session_filters=["ended_before"]), answer(status, {}), done, done)
    call(client)
    call(client)
    assert sent(server) == [*forms, forms[1]]


@pytest.mark.parametrize("status", [404, 409])
def test_any_other_refusal_stands(server: FakeServer, client: RegistryClient, status: int) -> None:
    server.answers(healthy(reopen={}), answer(status, {}))
    with pytest.raises(Refused):
        mark(client)
    assert sent(server) == [FULL_MARK]


def test_a_status_alone_asks_for_no_capability(server: FakeServer, client: RegistryClient) -> None:
    server.answers(ACTIVE)
    client.update_session_status("s", SessionStatus.ACTIVE)
    assert [one.path for one in server.requests] == ["/api/v1/sessions/s/status"]
