"""A cluster: all keys of a fleet are with one node, which everybody finds again after it was replaced."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from memory_graph_workers.delivery import DeliveryUncertain
from support.clusters import Cluster
from support.clusters import cluster as cluster
from support.delivery_producer import producer_at
from support.waiting import until
from support.worker import Worker, ready_worker

pytestmark = pytest.mark.stack


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Celery]:
    with producer_at(cluster.url) as app:
        yield app


@pytest.fixture
def worker(cluster: Cluster, tmp_path: Path) -> Iterator[Worker]:
    with ready_worker(cluster, tmp_path / "worker.log") as worker:
        yield worker


def done(cluster: Cluster) -> set[bytes]:
    return set(cluster.redis.lrange("{delivery}:done", 0, -1))


def sent(shop: Celery, number: int) -> bool:
    try:
        shop.send_task("good", (number,), ignore_result=True)
    except OperationalError:
        return False
    return True


def answered(shop: Celery) -> set[str]:
    return {shop.send_task("answers", (text,)).get(timeout=60) for text in "abcd"}


def test_tasks_run_and_results_arrive_though_no_seed_has_the_keys(
    cluster: Cluster, shop: Celery, worker: Worker
) -> None:
    assert shop.send_task("good", (1,)).get(timeout=60) == 1
    assert answered(shop) == set("abcd")  # each child has a connection to the result store now
    cluster.fail_over()
    assert answered(shop) == set("abcd")
    until(lambda: sent(shop, 2))
    until(lambda: done(cluster) == {b"1", b"2"})
    cluster.redis.lpush("{delivery}:work", "no message")
    until(lambda: cluster.redis.hlen("{delivery}:delivery:dead:quarantine:letters") == 1)
    assert {key.startswith(b"{delivery}:") for key in cluster.redis.keys("*")} == {True}
    assert worker.is_alive


def test_after_the_node_with_the_keys_was_lost_all_go_on(cluster: Cluster, shop: Celery, worker: Worker) -> None:
    assert sent(shop, 1)
    until(lambda: done(cluster) == {b"1"})
    until(lambda: cluster.redis.execute_command("WAIT", 1, 1000) == 1)
    cluster.lose_owner()
    until(lambda: sent(shop, 2))
    until(lambda: done(cluster) == {b"1", b"2"})
    assert worker.is_alive


def test_a_replica_of_the_node_with_the_keys_confirms_or_the_sending_is_uncertain(cluster: Cluster) -> None:
    with producer_at(cluster.url, min_replicas=1) as shop:
        shop.send_task("good", (1,), ignore_result=True)
        replica = cluster.nodes[-1].process
        replica.send_signal(signal.SIGSTOP)
        with pytest.raises(DeliveryUncertain, match="0 of 1 replicas"):
            shop.send_task("good", (2,), ignore_result=True)
        replica.send_signal(signal.SIGCONT)
        assert cluster.redis.llen("{delivery}:work") == 2
