"""`mgw queues move` from one server to a cluster, killed again and again: each task runs once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery import DeadLetter, DeadLetters, Reason
from support.broker import KEYS, Broker
from support.broker import broker as broker
from support.broker import producer as producer
from support.clusters import Cluster
from support.clusters import cluster as cluster
from support.forked import Forked, mgw
from support.waiting import until
from support.worker import TESTS, Worker

pytestmark = pytest.mark.stack

TASKS = 600
MOVE = ("queues", "--app", "delivery.delivery_app", "move", "--from", "", "--yes", "--json")


@pytest.fixture
def environ(broker: Broker, cluster: Cluster) -> dict[str, str]:
    """Of whoever moves: the fleet is on the cluster now."""
    return {**os.environ, "DELIVERY_URL": cluster.url, "MOVE_FROM_URL": broker.url}


@pytest.fixture
def old_worker(broker: Broker, producer: Celery, tmp_path: Path) -> Iterator[Worker]:
    """A worker of the old fleet that is killed while it works, and has parked a countdown."""
    worker = Worker(broker, "old", tmp_path / "old.log")
    producer.send_task("good", (TASKS,), countdown=900, queue="work")
    producer.send_task("naps", (60,), queue="work")
    until(lambda: sum(tag.startswith(b"parked") for tag in broker.redis.hkeys(KEYS.unacked)) == 1)
    until(lambda: broker.redis.hlen(KEYS.unacked) == 2)
    yield worker
    worker.kill()


def moved(environ: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """The exit code of a move, and what it says."""
    told = mgw(*MOVE, environ=environ, cwd=TESTS)
    assert told.returncode in (0, 1), told.stdout + told.stderr
    return told.returncode, {row["kind"]: row for row in json.loads(told.stdout)["moved"]}


def kill_when(environ: dict[str, str], cluster: Cluster, waiting: int, folder: Path) -> None:
    """Kill a move once so many messages have come."""
    streams = (Path(os.devnull), folder / "out", folder / "err")
    process = Forked("memory_graph_workers.cli", MOVE, environ, TESTS, streams)
    until(lambda: cluster.redis.llen("{delivery}:work") >= waiting or process.poll() is not None)
    process.kill()
    process.wait(60)


def test_a_killed_move_to_a_cluster_loses_nothing_and_each_task_runs_once(
    broker: Broker,
    cluster: Cluster,
    producer: Celery,
    old_worker: Worker,
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    for number in range(300):
        broker.dead.add(DeadLetter(str(number), Reason.FAILED, "work", "good", payload={"args": [number]}))
    letters = list(broker.dead.all())
    code, rows = moved(environ)
    in_flight = rows["in flight and countdowns"]
    assert (code, in_flight["moved"], in_flight["left"]) == (1, 1, 1)  # the nap stays with its worker
    old_worker.kill()
    for number in range(TASKS):
        producer.send_task("good", (number,), queue="work", priority=number % 2 * 9)
    for waiting in (1, 200):
        kill_when(environ, cluster, waiting, tmp_path)
    until(lambda: moved(environ)[0] == 0)
    assert [broker.redis.keys(names) for names in ("*:dead*", "work*", "unacked*", "*:moving*")] == [[], [], [], []]
    new = DeadLetters(cluster.redis, KEYS.under("{delivery}:"))
    assert list(new.all()) == letters
    worker = Worker(cluster, "new", tmp_path / "new.log")
    try:
        until(lambda: cluster.redis.llen("{delivery}:done") >= TASKS)
    finally:
        worker.kill()
    assert sorted(map(int, cluster.redis.lrange("{delivery}:done", 0, -1))) == list(range(TASKS))
    assert any(tag.startswith(b"parked") for tag in cluster.redis.hkeys("{delivery}:unacked"))
