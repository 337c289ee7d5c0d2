"""A primary that sentinels watch, by one address for producers, workers and results: it fails over, and all go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.delivery.connections.replies import NoServer
from redis import Redis
from redis.exceptions import RedisError
from support.delivery_producer import producer_at
from support.sentinels import PRIMARY, Watched
from support.sentinels import watched as watched
from support.waiting import until
from support.worker import Worker, ready_worker

pytestmark = pytest.mark.stack


@pytest.fixture
def shop(watched: Watched) -> Iterator[Celery]:
    with producer_at(watched.url) as app:
        yield app


@pytest.fixture
def worker(watched: Watched, tmp_path: Path) -> Iterator[Worker]:
    with ready_worker(watched, tmp_path / "worker.log") as worker:
        yield worker


def numbers(watched: Watched) -> set[bytes]:
    return set(watched.primary.redis.lrange("done", 0, -1))


def test_after_a_planned_failover_a_worker_and_its_producer_go_on(
    watched: Watched, shop: Celery, worker: Worker
) -> None:
    shop.send_task("good", (1,))
    until(lambda: numbers(watched) == {b"1"})
    watched.fail_over()
    shop.send_task("good", (2,))
    until(lambda: numbers(watched) == {b"1", b"2"})
    assert worker.is_alive
    assert f"/{PRIMARY}/0" in worker.text


def test_after_the_primary_was_killed_a_worker_and_its_producer_go_on(
    watched: Watched, shop: Celery, worker: Worker
) -> None:
    shop.send_task("good", (1,))
    until(lambda: numbers(watched) == {b"1"})
    until(lambda: watched.primary.redis.execute_command("WAIT", 1, 1000) == 1)
    watched.lose_primary()
    until(lambda: _sent(shop, 2))
    until(lambda: numbers(watched) == {b"1", b"2"})
    assert worker.is_alive


def _sent(shop: Celery, number: int) -> bool:
    try:
        shop.send_task("good", (number,))
    except (OperationalError, RuntimeError):  # the second of the result store
        return False
    return True


def test_a_sentinel_that_refuses_the_login_is_named(watched: Watched) -> None:
    for asked in watched.sentinels:
        asked.redis.execute_command("ACL SETUSER", "default", "on", ">hidden")
    with connect(watched.url, timeout_secs=5, connect_timeout_secs=5) as client, pytest.raises(NoServer) as refused:
        client.ping()
    assert str(refused.value).count("NOAUTH: it wants a password") == 3
    wanted = connect(f"{watched.url}?sentinel_password=hidden", timeout_secs=5, connect_timeout_secs=5)
    with wanted as client:
        assert client.ping()


def test_a_client_finds_the_primary_again(watched: Watched) -> None:
    with connect(watched.url, timeout_secs=5, connect_timeout_secs=5) as client:
        client.set("key", 1)
        watched.fail_over()
        until(lambda: _set(client))
        assert watched.primary.redis.get("key") == b"2"


def _set(client: Redis) -> bool:
    try:
        return bool(client.set("key", 2))
    except RedisError:
        return False
