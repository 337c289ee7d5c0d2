"""Whether a usage report may be repeated, by the setting or by what /health says of idempotency keys."""

import pickle
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import IntegrationError, InvalidConfig, Timeout, UncertainOutcome
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import UsageReport
from support.fakes.http_server import FakeServer, Step, answer, cut, hang

REPORT = UsageReport("s", 1, 1)


def client_of(server: FakeServer, believes: Any = "auto", timeout_secs: float = 5) -> RegistryClient:
    config = RegistryConfig(server.url, timeout_secs=timeout_secs, honours_idempotency=believes)
    return RegistryClient(config, retry_policy=RetryPolicy(initial_delay_secs=0.01))


def says(facts: Any) -> Step:
    return answer(200, {"capabilities": {"idempotency": facts}})


@pytest.mark.parametrize("days", [None, 1, 90])
def test_a_report_is_repeated_while_health_says_that_keys_are_kept(server: FakeServer, days: int | None) -> None:
    server.answers(says({"kept_days": days}), cut, 201)
    with client_of(server) as client:
        client.track_usage(REPORT)
    assert [request.path for request in server.requests] == ["/health", "/api/v1/usage", "/api/v1/usage"]


@pytest.mark.parametrize("days", [None, 1, 90])
def test_an_error_says_for_how_many_days_keys_were_kept_when_the_report_was_sent(
    server: FakeServer, days: int | None
) -> None:
    server.answers(says({"kept_days": days}), cut, cut, cut)
    with client_of(server) as client, pytest.raises(IntegrationError) as caught:
        client.track_usage(REPORT)
    assert (caught.value.keys_believed, caught.value.keys_kept_days) == (True, days)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.keys_kept_days, str(again)) == (days, str(caught.value))
    assert len(again.args) == (8 if days is None else 9)  # an older release takes eight


@pytest.mark.parametrize(
    "health",
    [
        answer(200),
        answer(404),
        answer(500),
        *map(says, (None, True, [], {"kept_days": 0}, {"kept_days": "7"}, {"kept_days": True}, {})),
    ],
)
def test_a_report_is_not_repeated_where_health_does_not_say_so(server: FakeServer, health: Step) -> None:
    server.answers(health, cut)
    with client_of(server) as client, pytest.raises(UncertainOutcome) as caught:
        client.track_usage(REPORT)
    assert (len(server.requests), caught.value.keys_believed) == (2, False)


@pytest.mark.parametrize("lost", [cut, hang, *map(answer, (429, 502, 503, 504))])
def test_nothing_is_sent_where_health_could_not_be_read_and_it_is_asked_again(server: FakeServer, lost: Step) -> None:
    server.answers(lost, says({"kept_days": None}), 201)
    with client_of(server, timeout_secs=1) as client:
        client.track_usage(REPORT)
    assert [request.path for request in server.requests] == ["/health", "/health", "/api/v1/usage"]


@pytest.mark.parametrize(("believes", "kind", "requests"), [(True, Timeout, 3), (False, UncertainOutcome, 1)])
def test_an_explicit_setting_asks_nobody_and_its_error_says_what_was_believed(
    server: FakeServer, believes: bool, kind: type[IntegrationError], requests: int
) -> None:
    server.answers(*[hang] * 3)
    with client_of(server, believes, timeout_secs=0.3) as client, pytest.raises(kind) as caught:
        client.track_usage(REPORT)
    assert [request.path for request in server.requests] == ["/api/v1/usage"] * requests
    assert caught.value.keys_believed is believes


@pytest.mark.parametrize("text", ["perhaps", "AUTO!", "2"])
def test_another_word_is_no_setting(text: str) -> None:
    with pytest.raises(InvalidConfig, match="REGISTRY_HONOURS_IDEMPOTENCY"):
        RegistryConfig.from_env({"REGISTRY_HONOURS_IDEMPOTENCY": text})
