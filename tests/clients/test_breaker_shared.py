"""What workers share of a circuit breaker in Redis, and what holds while Redis is away or holds junk."""

import time
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.clients.breaker import Breaker, RedisStorage
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import CircuitBreakerOpen, ServiceUnavailable
from memory_graph_workers.clients.registry import RegistryClient
from redis import Redis
from support.breakers import CACHE_SECS, RESET_SECS, fail, fail_as, failing, opened
from support.fakes.http_server import FakeServer, answer

CALLS = "memory_graph:breaker:registry:calls"


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


def test_successes_are_sent_together_and_counted_with_the_next_failure(valkey: int) -> None:
    with Redis(port=valkey) as redis, Redis(port=valkey) as other:
        redis.flushdb()
        breaker = Breaker("registry", RedisStorage(redis, "registry"))
        breaker.call(lambda: "up")
        before = other.info()["total_commands_processed"]
        for _ in range(50):
            breaker.call(lambda: "up", "get", "a".encode)
        assert other.info()["total_commands_processed"] - before <= 8
        fail(breaker, 1)
        assert counted(redis) == (51, 1)


def counted(redis: Redis, key: str = CALLS) -> tuple[int, int]:
    """How many calls of all workers succeeded and failed in the last seconds."""
    rows: Any = redis.hvals(key)
    found = [[int(number) for number in row.split()[1:]] for row in rows]
    return sum(succeeded for succeeded, _ in found), sum(failed for _, failed in found)


def test_a_row_opens_the_breaker_of_a_busy_fleet_when_half_of_its_latest_calls_failed(
    two_workers: tuple[Breaker, Breaker],
) -> None:
    one, other = two_workers
    for _ in range(20):
        one.call(lambda: "up")
    fail(one, 1)  # its successes go along
    fail(other, 18)
    assert (one.state, other.state) == ("closed", "closed")
    fail(other, 1)
    assert other.state == "open"


def test_a_success_ends_the_row_though_its_worker_knew_of_no_failure(two_workers: tuple[Breaker, Breaker]) -> None:
    one, other = two_workers

    def while_others_fail() -> str:
        fail(other, 4)
        return "up"

    assert one.call(while_others_fail) == "up"
    fail(other, 4)
    assert other.state == "closed"
    fail(other, 1)
    assert other.state == "open"


def test_what_was_counted_before_it_opened_does_not_count_after_it_closed(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        storage = RedisStorage(redis, "registry", RESET_SECS)
        breaker = Breaker("registry", storage, RESET_SECS)
        for _ in range(30):
            breaker.call(lambda: "up")
        fail(breaker, 30)
        assert storage.state == "open"
        storage.state = "closed"
        opened(breaker)


def test_health_checks_are_no_calls_that_succeed(two_workers: tuple[Breaker, Breaker]) -> None:
    one, other = two_workers
    for _ in range(30):
        one.call(lambda: "healthy", "health_check", is_health_check=True)
    opened(other)


def test_failures_that_workers_of_an_older_release_counted_are_part_of_the_row(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        redis.hincrby("memory_graph:breaker:registry", "failures", 4)
        breaker = Breaker("registry", RedisStorage(redis, "registry"))
        fail(breaker, 1)
        assert breaker.state == "open"


def test_calls_are_counted_for_ten_seconds_in_one_key_beside_the_record(valkey: int) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        fail(Breaker("vault", RedisStorage(redis, "vault", key_prefix="{blue}:")), 1)
        assert sorted(redis.keys()) == [
            b"{blue}:memory_graph:breaker:vault",
            b"{blue}:memory_graph:breaker:vault:calls",
        ]
        assert 0 < redis.ttl("{blue}:memory_graph:breaker:vault:calls") <= 10


@pytest.mark.parametrize("broken", ["no hash", {"0": "junk", "1": "1 2", "2": b"\xff 1 1", "3": "-1 -1 -1"}], ids=str)
def test_broken_counts_fail_no_call_and_are_counted_anew(broken: Any) -> None:
    redis = fakeredis.FakeRedis()
    if isinstance(broken, str):
        redis.set(CALLS, broken)
    else:
        redis.hset(CALLS, mapping=broken)
    breaker = Breaker("registry", RedisStorage(redis, "registry"))
    assert breaker.call(lambda: "stored") == "stored"
    opened(breaker)


def test_a_storage_says_how_many_calls_a_second_succeed(valkey: int, away: fakeredis.FakeServer) -> None:
    with Redis(port=valkey) as redis:
        redis.flushdb()
        redis.hset(CALLS, mapping={str(second % 10): f"{second} 40 5" for second in seconds_before(redis)})
        assert 30 < (RedisStorage(redis, "registry").calls_per_sec() or 0) <= 40  # a second may begin meanwhile
        redis.flushdb()
        before = redis.info("stats")["total_commands_processed"]
        assert RedisStorage(redis, "registry").calls_per_sec() == 0
        assert redis.info("stats")["total_commands_processed"] - before <= 2, "an idle service costs one command"
    away.connected = False
    assert RedisStorage(fakeredis.FakeRedis(server=away), "registry").calls_per_sec() is None


def seconds_before(redis: Redis) -> range:
    """The ten seconds up to now, by the clock of Redis."""
    now = int(redis.time()[0])  # pyright: ignore[reportIndexIssue]
    return range(now - 9, now + 1)


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
