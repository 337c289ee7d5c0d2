"""When a client that is used directly tries again, how long it waits, and when it must not."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    CircuitBreakerOpen,
    ConnectionError,
    IntegrationError,
    Refused,
    ServiceUnavailable,
    Timeout,
    UncertainOutcome,
)
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from support.fakes.http_server import FakeServer, Step, answer, cut, hang, reset, whole
from support.waiting import SOON_SECS

QUICK = RetryPolicy(initial_delay_secs=0.01)
SESSION = answer(200, {"session_id": "s", "model_id": "m", "started_at": "2026-01-31T12:00:00Z", "status": "active"})


def client_of(server: FakeServer, policy: RetryPolicy = QUICK, **settings: object) -> RegistryClient:
    values: dict[str, object] = {"timeout_secs": 5.0, "honours_idempotency": True, **settings}
    return RegistryClient(RegistryConfig(server.url, "key-canary-5Vq", **values), retry_policy=policy)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("failing", [answer(500), answer(502), answer(503), answer(429), cut, reset])
def test_three_attempts_not_three_retries(server: FakeServer, failing: Step) -> None:
    server.answers(failing, failing, SESSION)
    with client_of(server) as client:
        assert client.get_session("s").session_id == "s"
    assert len(server.requests) == 3


def test_the_last_error_is_raised_after_three_attempts(server: FakeServer) -> None:
    server.answers(500, 502, answer(503, "", {"X-Request-ID": "r-3"}))
    with client_of(server) as client, pytest.raises(ServiceUnavailable) as caught:
        client.get_session("s")
    error = caught.value
    assert (error.service, error.operation, error.status, error.request_id) == ("registry", "get_session", 503, "r-3")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Refused) for status in (301, 400, 404, 409, 413, 422)),
        *((status, AuthenticationError) for status in (401, 403)),
    ],
)
def test_a_refusal_is_not_tried_again(server: FakeServer, status: int, kind: type[IntegrationError]) -> None:
    server.answers(status)
    with client_of(server) as client, pytest.raises(kind) as caught:
        client.get_session("s")
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_variable(server: FakeServer, status: int) -> None:
    server.default = answer(status)
    with client_of(server) as registry, pytest.raises(AuthenticationError, match="REGISTRY_API_KEY"):
        registry.get_session("s")
    with VaultClient(VaultConfig(server.url, "k")) as vault, pytest.raises(AuthenticationError, match="VAULT_API_KEY"):
        vault.retrieve_session("a")


def test_a_refusal_names_the_fields_that_it_speaks_of(server: FakeServer) -> None:
    server.answers(answer(422, {"errors": {"json": {"session_id": ["bad: canary"], "canary": ["x"]}}}))
    with client_of(server) as client, pytest.raises(Refused, match="session_id") as caught:
        client.register_session(SessionRegistration("s", "m"))
    assert "canary" not in str(caught.value)


def test_all_attempts_of_a_call_carry_one_idempotency_key(server: FakeServer) -> None:
    server.answers(500, cut, SESSION)
    with client_of(server) as client:
        client.register_session(SessionRegistration("s", "m"))
        client.track_usage(UsageReport("s", 1, 1))
    first, second, third, other = [request.headers["idempotency-key"] for request in server.requests]
    assert first == second == third != other
    assert len({request.headers["x-request-id"] for request in server.requests}) == 4


def test_the_given_idempotency_key_is_sent(server: FakeServer) -> None:
    server.answers(500, 200)
    with client_of(server) as client:
        client.track_usage(UsageReport("s", 1, 1), idempotency_key="task-1")
    assert [request.headers["idempotency-key"] for request in server.requests] == ["task-1"] * 2


@pytest.mark.parametrize("key", ["größe", "世界", "a\r\nX-Evil: 1", " padded ", "x" * 1000])
def test_a_key_that_is_no_header_is_replaced_by_the_same_one_each_time(server: FakeServer, key: str) -> None:
    with client_of(server) as client:
        for _ in range(2):
            client.track_usage(UsageReport("s", 1, 1), idempotency_key=key)
        client.track_usage(UsageReport("s", 1, 1), idempotency_key=key + "!")
    first, again, other = [request.headers["idempotency-key"] for request in server.requests]
    assert first == again != other
    assert "x-evil" not in server.requests[0].headers


@pytest.mark.parametrize("retry_on_timeout", [True, False])
def test_timeouts_are_tried_again_where_the_policy_says_so(server: FakeServer, retry_on_timeout: bool) -> None:
    server.answers(hang, SESSION)
    policy = RetryPolicy(initial_delay_secs=0.01, retry_on_timeout=retry_on_timeout)
    with client_of(server, policy, timeout_secs=2) as client:
        if retry_on_timeout:
            client.get_session("s")
        else:
            with pytest.raises(Timeout):
                client.get_session("s")
    assert len(server.requests) == (2 if retry_on_timeout else 1)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_registrys_retry_count_counts_attempts(server: FakeServer, attempts: int) -> None:
    server.default = answer(503)
    config = RegistryConfig(server.url, retry_count=attempts)
    with RegistryClient(config) as client, pytest.raises(ServiceUnavailable):
        client.get_session("s")
    assert len(server.requests) == attempts


def test_the_first_wait_for_a_vault_is_200_ms_and_less_by_chance(server: FakeServer) -> None:
    server.default = answer(503)
    started = time.monotonic()
    with VaultClient(VaultConfig(server.url, "k")) as vault, pytest.raises(ServiceUnavailable):
        vault.retrieve_session("a")
    assert len(server.requests) == 3
    assert time.monotonic() - started >= (0.2 + 0.4) / 2


def test_delays_grow_to_their_limit() -> None:
    policy = RetryPolicy(max_attempts=9)
    assert [policy.delay_secs(attempt) for attempt in range(1, 9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def http_date(secs: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=secs), usegmt=True)


@pytest.mark.parametrize(
    ("status", "wait"), [(429, lambda: "1"), (503, lambda: http_date(1.99))], ids=["seconds", "date"]
)
def test_the_wait_that_the_server_asks_for_is_kept(server: FakeServer, status: int, wait: Callable[[], str]) -> None:
    server.answers(answer(status, "", {"Retry-After": wait()}), SESSION)
    with client_of(server) as client:
        client.get_session("s")
    assert 0.8 < server.requests[1].at - server.requests[0].at < SOON_SECS


@pytest.mark.parametrize("wait", [lambda: "3600", lambda: http_date(3600)], ids=["seconds", "date"])
def test_a_wait_longer_than_the_timeout_is_raised_and_not_slept(server: FakeServer, wait: Callable[[], str]) -> None:
    server.answers(answer(429, "", {"Retry-After": wait()}))
    with client_of(server) as client, pytest.raises(ServiceUnavailable) as caught:
        client.get_session("s")
    assert 3590 < (caught.value.retry_after_secs or 0) <= 3600
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "wait", ["soon", "-5", "", "²²", "Sun, 01 Jan 2023 00:00:00 GMT", "Fri, 99 Foo 2026 00:00:00 GMT"]
)
def test_a_wait_that_says_nothing_is_no_wait(server: FakeServer, wait: str) -> None:
    server.answers(answer(503, "", {"Retry-After": wait}), SESSION)
    with client_of(server) as client:
        client.get_session("s")
    assert server.requests[1].at - server.requests[0].at < SOON_SECS


def test_a_wait_is_believed_up_to_a_day(server: FakeServer) -> None:
    server.answers(answer(503, "", {"Retry-After": "9" * 30}))
    with client_of(server) as client, pytest.raises(ServiceUnavailable) as caught:
        client.get_session("s")
    assert caught.value.retry_after_secs == 86_400


@pytest.mark.parametrize("ambiguous", [cut, reset, hang, lambda connection: connection.send(whole(200)[:10])])
def test_a_report_without_an_answer_is_not_repeated_where_keys_mean_nothing(
    server: FakeServer, ambiguous: Step
) -> None:
    server.answers(ambiguous)
    client = client_of(server, honours_idempotency=False, timeout_secs=0.4)
    with client, pytest.raises(UncertainOutcome) as caught:
        client.track_usage(UsageReport("s", 1, 1))
    assert (caught.value.service, caught.value.operation) == ("registry", "track_usage")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_without_an_answer_leaves_a_report_uncertain_where_keys_mean_nothing(
    server: FakeServer, status: int
) -> None:
    server.answers(status)
    with client_of(server, honours_idempotency=False) as client, pytest.raises(UncertainOutcome):
        client.track_usage(UsageReport("s", 1, 1))
    assert len(server.requests) == 1


def test_a_report_that_was_refused_is_repeated_where_keys_mean_nothing(server: FakeServer) -> None:
    server.answers(429, 503, 200)
    with client_of(server, honours_idempotency=False) as client:
        client.track_usage(UsageReport("s", 1, 1))
    assert len(server.requests) == 3


def test_a_report_that_was_never_sent_is_no_uncertain_outcome() -> None:
    config = RegistryConfig("http://127.0.0.1:1", timeout_secs=5)
    with RegistryClient(config, retry_policy=QUICK) as client, pytest.raises(ConnectionError):
        client.track_usage(UsageReport("s", 1, 1))


def test_a_report_is_repeated_where_keys_are_honoured(server: FakeServer) -> None:
    server.answers(cut, 200)
    with client_of(server) as client:
        client.track_usage(UsageReport("s", 1, 1))
    assert len(server.requests) == 2


def test_other_posts_are_repeated_after_no_answer(server: FakeServer) -> None:
    receipt = {"archive_id": "a", "session_id": "s", "status": "archived", "archived_at": "2026-01-31T12:00:00Z"}
    server.answers(cut, SESSION, cut, answer(201, receipt))
    with client_of(server, honours_idempotency=False) as registry, VaultClient(VaultConfig(server.url, "k")) as vault:
        registry.register_session(SessionRegistration("s", "m"))
        vault.archive_session(ArchiveEntry("s", {}, 365, "a"))
    assert len(server.requests) == 4


def test_an_open_breaker_is_raised_at_once_and_says_for_which_call(server: FakeServer) -> None:
    server.default = answer(500)
    with client_of(server, timeout_secs=90) as client:
        for number in range(5):
            with pytest.raises(IntegrationError):
                client.get_session(f"s-{number}")
        sent = len(server.requests)
        started = time.monotonic()
        with pytest.raises(CircuitBreakerOpen) as caught:
            client.get_model_metadata("m")
    assert time.monotonic() - started < SOON_SECS
    error = caught.value
    assert (error.service, error.operation, len(server.requests)) == ("registry", "get_model_metadata", sent)
    assert 50 < (error.retry_after_secs or 0) <= 60
