"""What a client believes of a service's /health, when it asks, and how it copes with a service that cannot do it."""

import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from memory_graph_workers.clients import capabilities
from memory_graph_workers.clients.breaker import Breaker, MemoryStorage
from memory_graph_workers.clients.call import Call, Extension
from memory_graph_workers.clients.capabilities import Capabilities
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import ConnectionError, IntegrationError, Timeout
from memory_graph_workers.clients.registry import SESSION, RegistryClient
from memory_graph_workers.schemas.registry import SessionInfo
from support.fakes.http_server import FakeServer, Step, after, answer, bomb, cut, hang, reset
from support.waiting import SOON_SECS

SECS = 5.0
FACTS = {"reopen": {}, "session_filters": ["status"], "idempotency": {"kept_days": None}}
HEALTHY = answer(200, {"status": "healthy", "version": "1", "capabilities": FACTS})
FOUND = answer(200, {"session_id": "s", "model_id": "m", "started_at": "2026-01-31T12:00:00Z", "status": "active"})
OTHER = answer(200, {"session_id": "s", "model_id": "n", "started_at": "2026-01-31T12:00:00Z", "status": "active"})
OLD = "/api/v1/sessions/s/status"
NEW_ROUTE = "/api/v1/sessions/s/reopen"


class Client(RegistryClient):
    """A registry client with operations that have an extended form: another route, or one more field."""

    def reopen(self) -> SessionInfo:
        return self._extended_call("/api/v1/sessions/{session_id}/reopen", {"status": "active"})

    def mark(self) -> SessionInfo:
        return self._extended_call(
            "/api/v1/sessions/{session_id}/status", {"more": 1}, was_done=lambda found: found.model_id == "m"
        )

    def _extended_call(self, route: str, body: Any, **options: Any) -> SessionInfo:
        ids = {"session_id": "s"}
        extended = Call("reopen", "PUT", route, ids=ids, body=body)
        extension = Extension("reopen", lambda facts: extended, **options)
        old = "/api/v1/sessions/{session_id}/status"
        return self._call(Call("reopen", "PUT", old, ids=ids, body={}, extension=extension), SESSION)


def client_of(server: FakeServer, timeout_secs: float = SECS, breaker: Breaker | None = None) -> Client:
    once = RetryPolicy(max_attempts=1)
    return Client(RegistryConfig(server.url, "key", timeout_secs=timeout_secs), retry_policy=once, breaker=breaker)


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with client_of(server) as made:
        yield made


def asked(server: FakeServer) -> list[str]:
    return [request.path for request in server.requests]


def test_health_is_read_once_without_the_key_at_the_first_call_that_can_use_it(
    server: FakeServer, client: Client
) -> None:
    server.answers(FOUND, HEALTHY, FOUND, FOUND)
    client.get_session("s")
    client.reopen()
    client.reopen()
    assert asked(server) == ["/api/v1/sessions/s", "/health", NEW_ROUTE, NEW_ROUTE]
    assert "authorization" not in server.requests[1].headers


def test_facts_are_passed_on_as_they_were_said(server: FakeServer, client: Client) -> None:
    server.answers(HEALTHY)
    assert {name: client.capabilities.facts(name, SECS) for name in FACTS} == FACTS


@pytest.mark.parametrize(
    "health",
    [
        answer(200, ""),
        answer(200, "up"),
        answer(200, "[" * 5000),
        answer(200, "9" * 5000),
        answer(200, b"\xff\xfe{"),
        answer(200, [1]),
        answer(200, {"status": "healthy"}),
        answer(200, {"capabilities": None}),
        answer(200, {"capabilities": ["reopen"]}),
        answer(200, {"capabilities": {"reopen": None}}),
        answer(200, {"capabilities": {"reopen": True}}),
        answer(200, {"capabilities": {"reopen": {}}, "more": "x" * capabilities.MOST_BYTES}),
        lambda connection: connection.send(bomb(2**27)),
        answer(204),
        answer(301, "", {"Location": "http://127.0.0.1:1/"}),
        answer(401),
        answer(404, {"capabilities": {"reopen": {}}}),
        answer(429),
        answer(503),
        cut,
        reset,
    ],
)
def test_a_health_that_says_nothing_usable_leaves_the_call_as_it_was(
    server: FakeServer, client: Client, health: Step
) -> None:
    server.answers(health, FOUND, FOUND)
    client.reopen()
    client.reopen()
    assert asked(server) == ["/health", OLD, OLD]


def test_a_health_that_hangs_leaves_half_of_the_callers_deadline_to_the_call(server: FakeServer) -> None:
    server.answers(hang, hang, FOUND)
    with client_of(server, timeout_secs=1.5) as client:
        with pytest.raises(Timeout):
            client.reopen()
        client.reopen()
    assert asked(server) == ["/health", OLD, OLD]
    assert server.requests[2].at - server.requests[0].at < 1.5 + SOON_SECS


def test_nothing_is_sent_after_the_deadline(client: Client) -> None:
    with pytest.raises(ConnectionError, match="deadline passed"):
        client._exchange(Call("x", "GET", "/x"), "", 0.0, lambda _, body: body)


def test_a_form_that_is_not_known_and_the_old_one_have_one_deadline(server: FakeServer) -> None:
    server.answers(HEALTHY, after(2, answer(404)), after(2, FOUND))
    with client_of(server, timeout_secs=3) as client, pytest.raises(Timeout):
        client.reopen()
    assert asked(server) == ["/health", NEW_ROUTE, OLD]
    assert server.requests[-1].at - server.requests[0].at < SOON_SECS


@pytest.mark.parametrize("status", [404, 405, 406, 501])
def test_an_unknown_route_means_not_here_and_the_old_form_is_used_from_then_on(
    server: FakeServer, client: Client, status: int
) -> None:
    server.answers(HEALTHY, status, FOUND, FOUND)
    client.reopen()
    client.reopen()
    assert asked(server) == ["/health", NEW_ROUTE, OLD, OLD]
    assert client.capabilities.facts("session_filters", SECS) == FACTS["session_filters"]


@pytest.mark.parametrize("refusal", [answer(400), answer(422), OTHER])
def test_a_refused_or_ignored_field_means_not_here(server: FakeServer, client: Client, refusal: Step) -> None:
    server.answers(HEALTHY, refusal, FOUND, FOUND)
    assert (client.mark().model_id, client.mark().model_id) == ("m", "m")
    assert [request.json for request in server.requests[1:]] == [{"more": 1}, {}, {}]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        *((Client.reopen, status) for status in (400, 401, 403, 409, 422, 429, 500, 502, 503, 504)),
        *((Client.mark, status) for status in (401, 403, 404, 405, 406, 409, 429, 500, 501, 503)),
    ],
)
def test_any_other_failure_is_the_calls_own(
    server: FakeServer, client: Client, call: Callable[[Client], SessionInfo], status: int
) -> None:
    server.answers(HEALTHY, status)
    with pytest.raises(IntegrationError) as caught:
        call(client)
    assert caught.value.status == status
    assert len(server.requests) == 2
    assert client.capabilities.facts("reopen", SECS) == {}


def test_the_old_form_carries_the_same_idempotency_key(server: FakeServer, client: Client) -> None:
    server.answers(HEALTHY, 501, 201)
    extended = Call("track", "POST", "/new", body={})
    client._call(Call("track", "POST", "/old", body={}, extension=Extension("reopen", lambda facts: extended)))
    _, first, second = [request.headers.get("idempotency-key") for request in server.requests]
    assert first == second is not None


def test_an_unknown_route_is_no_failure_of_the_service(server: FakeServer) -> None:
    breaker = Breaker("registry")
    with client_of(server, breaker=breaker) as client:
        for _ in range(10):
            server.answers(HEALTHY, 501, FOUND)
            client.reopen()
            client.capabilities = Capabilities(client._read_health, lambda: "")
    assert breaker.state == "closed"


def test_nothing_is_asked_of_a_service_whose_breaker_is_open(server: FakeServer) -> None:
    breaker = Breaker("registry")
    server.default = cut
    with client_of(server, breaker=breaker) as client:
        for _ in range(5):
            with pytest.raises(IntegrationError):
                client.get_session("s")
        with pytest.raises(IntegrationError):
            client.reopen()
    assert asked(server) == ["/api/v1/sessions/s"] * 5


def test_health_is_read_again_after_the_breaker_closed(server: FakeServer) -> None:
    breaker = Breaker("registry", MemoryStorage(0.05), 0.05)
    with client_of(server, breaker=breaker) as client:
        server.answers(HEALTHY, FOUND, *[cut] * 5)
        client.reopen()
        for _ in range(5):
            with pytest.raises(IntegrationError):
                client.get_session("s")
        time.sleep(0.1)
        server.answers(FOUND, FOUND, answer(404), FOUND)
        client.get_session("s")
        client.get_session("s")
        assert breaker.state == "closed"
        seen = len(server.requests)
        client.reopen()
    assert asked(server)[seen:] == ["/health", OLD]


def counted(bodies: list[bytes]) -> tuple[Capabilities, list[float]]:
    reads = list[float]()

    def read(timeout_secs: float) -> bytes:
        reads.append(timeout_secs)
        return bodies[min(len(reads), len(bodies)) - 1]

    return Capabilities(read, lambda: ""), reads


def health(**said: Any) -> bytes:
    return json.dumps({"capabilities": said}).encode()


def test_a_reading_ends_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [1000.0]
    monkeypatch.setattr(capabilities.time, "monotonic", lambda: moment[0])
    known, reads = counted([health(reopen={}), health()])
    assert known.facts("reopen", SECS) == {}
    moment[0] += 599
    assert known.facts("reopen", SECS) == {}
    moment[0] += 2
    assert known.facts("reopen", SECS) is None
    assert len(reads) == 2


def test_many_threads_read_once(server: FakeServer) -> None:
    release, began = threading.Event(), threading.Event()
    reads = list[float]()

    def read(timeout_secs: float) -> bytes:
        reads.append(timeout_secs)
        began.set()
        release.wait(SOON_SECS)
        return health(reopen={})

    known = Capabilities(read, lambda: "")
    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(known.facts, "reopen", 60.0) for _ in range(16)]
        began.wait(SOON_SECS)
        release.set()
        assert [one.result() for one in found] == [{}] * 16
    assert len(reads) == 1


def test_a_thread_waits_for_anothers_reading_no_longer_than_its_deadline() -> None:
    release = threading.Event()
    known = Capabilities(lambda timeout_secs: health(reopen={}) if release.wait(60) else b"", lambda: "")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(known.facts, "reopen", 60.0)
        while not known._lock.locked():
            pass
        assert known.facts("reopen", 0.05) is None
        release.set()
        assert first.result() == {}


def test_a_child_that_was_forked_during_a_reading_reads_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    known, _ = counted([health(reopen={})])
    monkeypatch.setattr(f"{__name__}._KNOWN", [known])
    with known._lock, multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_facts, ()).get(SOON_SECS) == {}


_KNOWN = list[Capabilities]()


def _facts() -> Any:
    return _KNOWN[0].facts("reopen", SECS)


@pytest.mark.parametrize("failing", [cut, reset, hang, *map(answer, (429, 502, 503, 504))])
def test_what_must_be_certain_is_asked_again_after_no_response(server: FakeServer, failing: Step) -> None:
    server.answers(failing, HEALTHY)
    with client_of(server) as client:
        with pytest.raises(IntegrationError):
            client.capabilities.certain_facts("idempotency", 0.5 if failing is hang else SECS)
        assert client.capabilities.certain_facts("idempotency", SECS) == {"kept_days": None}
    assert asked(server) == ["/health"] * 2


@pytest.mark.parametrize("status", [200, 204, 404, 500])
def test_a_response_without_the_capability_is_certain(server: FakeServer, status: int) -> None:
    server.answers(status)
    with client_of(server) as client:
        assert [client.capabilities.certain_facts("idempotency", SECS) for _ in range(2)] == [None, None]
    assert asked(server) == ["/health"]
