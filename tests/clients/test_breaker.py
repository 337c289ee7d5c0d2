"""The circuit breaker: when it opens, who probes, and when it closes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from memory_graph_workers.clients.breaker import Breaker, Storage
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    CircuitBreakerOpen,
    ConnectionError,
    HttpError,
    Refused,
    SerializationError,
    ServiceUnavailable,
    Timeout,
)
from memory_graph_workers.clients.registry import RegistryClient
from support.breakers import RESET_SECS, fail, failing, opened
from support.fakes.http_server import FakeServer, after, answer, cut
from support.waiting import LONGEST_SECS, SOON_SECS


def test_five_failures_in_a_row_open_it_and_nothing_is_called(breaker: Breaker) -> None:
    fail(breaker, 4)
    assert breaker.call(lambda: "up") == "up"
    fail(breaker, 4)
    assert breaker.state == "closed"
    fail(breaker, 1)
    with pytest.raises(CircuitBreakerOpen) as caught:
        breaker.call(failing(AssertionError("called")))
    assert 0 < (caught.value.retry_after_secs or 0) <= RESET_SECS


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailable(status=500),
        ServiceUnavailable(status=503),
        ServiceUnavailable("gRPC INTERNAL", status=13),
        ServiceUnavailable("gRPC UNKNOWN", status=2),
        Timeout(),
        ConnectionError(),
        HttpError(status=200),
    ],
    ids=repr,
)
def test_failures_of_the_service_count(error: Exception) -> None:
    breaker = Breaker("registry")
    fail(breaker, 5, error)
    assert breaker.state == "open"


@pytest.mark.parametrize(
    "error",
    [
        Refused(status=400),
        Refused(status=404),
        Refused(status=302),
        Refused("gRPC NOT_FOUND", status=5),
        AuthenticationError(status=401),
        ServiceUnavailable(status=429),
        ServiceUnavailable("gRPC RESOURCE_EXHAUSTED", status=8),
        SerializationError(status=200),
    ],
    ids=repr,
)
def test_answers_never_count_and_break_the_row(error: Exception) -> None:
    breaker = Breaker("registry")
    fail(breaker, 4)
    fail(breaker, 6, error)
    fail(breaker, 4)
    assert breaker.state == "closed"


def test_two_successes_close_it_after_the_pause(breaker: Breaker) -> None:
    opened(breaker)
    time.sleep(RESET_SECS + 0.05)
    assert breaker.call(lambda: 1) == 1
    assert breaker.state == "half-open"
    assert breaker.call(lambda: 2) == 2
    assert breaker.state == "closed"
    fail(breaker, 4)
    assert breaker.state == "closed"


def test_a_probe_that_fails_opens_it_again(breaker: Breaker) -> None:
    opened(breaker)
    time.sleep(RESET_SECS + 0.05)
    fail(breaker, 1)
    assert breaker.state == "open"
    with pytest.raises(CircuitBreakerOpen):
        breaker.call(failing(AssertionError("called")))


def test_a_probe_that_is_refused_shows_that_the_service_is_up(breaker: Breaker) -> None:
    opened(breaker)
    time.sleep(RESET_SECS + 0.05)
    fail(breaker, 2, Refused(status=404))
    assert breaker.state == "closed"


def test_one_probe_goes_among_sixteen_threads(breaker: Breaker) -> None:
    opened(breaker)
    time.sleep(RESET_SECS + 0.05)
    start, refused = threading.Barrier(16), threading.Semaphore(0)

    def until_all_others_are_refused() -> bool:
        return all(refused.acquire(timeout=LONGEST_SECS) for _ in range(15))

    def probe(_: int) -> bool:
        start.wait()
        try:
            return breaker.call(until_all_others_are_refused)
        except CircuitBreakerOpen:
            refused.release()
            return False

    with ThreadPoolExecutor(16) as threads:
        assert sorted(threads.map(probe, range(16))) == [False] * 15 + [True]


@pytest.mark.parametrize("how", [KeyboardInterrupt])
def test_a_probe_that_was_interrupted_frees_its_place(storage: Storage, how: type[BaseException]) -> None:
    breaker = opened(Breaker("registry", storage, RESET_SECS))
    time.sleep(RESET_SECS + 0.05)
    with pytest.raises(how):
        breaker.call(failing(how()))
    time.sleep(RESET_SECS + 0.05)
    assert breaker.call(lambda: "up") == "up"


def test_calls_are_not_serialised(breaker: Breaker) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: breaker.call(lambda: time.sleep(1)), range(16)))
    assert time.monotonic() - started < SOON_SECS


def test_failures_of_many_threads_add_up(breaker: Breaker) -> None:
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: fail(breaker, 1), range(5)))
    assert breaker.state == "open"


def test_a_client_stops_sending_to_a_service_that_is_down(server: FakeServer) -> None:
    server.default = cut
    once = RetryPolicy(max_attempts=1)
    with RegistryClient(RegistryConfig(server.url), retry_policy=once) as client:
        for _ in range(8):
            with pytest.raises((HttpError, CircuitBreakerOpen)):
                client.get_session("s")
    assert len(server.requests) == 5


def test_a_client_never_opens_for_refusals(server: FakeServer) -> None:
    server.default = answer(404)
    with RegistryClient(RegistryConfig(server.url)) as client:
        for _ in range(8):
            with pytest.raises(Refused):
                client.get_session("s")
    assert len(server.requests) == 8


def test_slow_calls_of_sixteen_threads_go_side_by_side(server: FakeServer) -> None:
    server.default = after(1, answer(204))
    started = time.monotonic()
    with RegistryClient(RegistryConfig(server.url)) as client, ThreadPoolExecutor(16) as threads:
        list(threads.map(client.delete_session, map(str, range(16))))
    assert time.monotonic() - started < SOON_SECS
