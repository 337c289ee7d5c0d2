"""A Redis that keeps its connections and refuses commands: a planned failover, no replicas, a disk that is full."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from faults.fleet import Fleet, until
from faults.forwarder import Forwarder
from faults.matrix import Row
from memory_graph_workers.cli.stack import broker
from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.cli.stack.servers import wait_for_child
from redis import Redis
from redis.exceptions import RedisError

REFUSING_SECS = 12.0
BACK_SECS = 45.0
AOF_BYTES = 64 * 2**20
MOST_USAGE = 100


class Pair:
    """The broker and a second server that follows it, under one password."""

    def __init__(self, fleet: Fleet) -> None:
        self.port = free_port()
        first, password = fleet.redis, fleet.stack.keys.broker
        self.url = f"redis://:{password}@{LOOPBACK}:{self.port}/0"
        directory = fleet.stack.directory / "second"
        config = broker.write_config(directory, self.port, password)
        command = [broker.find_server(), str(config), "--dir", str(directory)]
        child = fleet.stack.children.start("second", command, fleet.stack.child_environ())
        wait_for_child(child, lambda: broker.answers(self.url))
        self.first, self.second = first, Redis.from_url(self.url)
        for server in (first, self.second):
            server.config_set("masterauth", password)
        self.second.replicaof(LOOPBACK, fleet.stack.port("broker"))
        until(lambda: self.second.info("replication")["master_link_status"] == "up", 60, "the second follows")

    def hand_over(self, fleet: Fleet) -> None:
        """Let the second be the primary and the first its replica; the servers themselves see that nothing is lost."""
        self.first.execute_command("FAILOVER", "TO", LOOPBACK, self.port, "TIMEOUT", 20_000)
        until(lambda: self.first.info("replication")["role"] == "slave", 60, "the first is a replica")
        until(lambda: self.second.info("replication")["role"] == "master", 60, "the second is the primary")


def works(fleet: Fleet, off: str) -> list[Child]:
    """Workers in the middle of their work."""
    workers = fleet.start_workers(off=off)
    fleet.work()
    until(lambda: fleet.effects().usage.total() > MOST_USAGE, 60, "work under way")
    return workers


def goes_on(fleet: Fleet, row: Row, workers: list[Child], since: float) -> None:
    """The workers must be the same, and do something again."""
    before = fleet.effects().usage.total()
    with contextlib.suppress(TimeoutError):
        until(lambda: fleet.effects().usage.total() > before + 20, 1.5 * BACK_SECS, "work goes on")
    row.recovered(time.monotonic() - since, BACK_SECS)
    row.judge(fleet, secs=120)
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


def says(fleet: Fleet, row: Row, worker: Child, reply: str) -> None:
    """The worker must name the state in its log, while it waits."""

    def said() -> bool:
        return f"Redis replied {reply}" in worker.log.read_text(errors="replace") or not worker.is_alive

    with contextlib.suppress(TimeoutError):
        until(said, 60, "the state is named")
    row.demand(worker.is_alive and said(), f"{worker.name} did not wait and say {reply}")


def fails_over(fleet: Fleet, row: Row, at_start: Row, off: str = "") -> None:
    """Make the broker a replica under its connections; what its address means changes some time later."""
    url = urlsplit(fleet.redis_url)
    with Forwarder(fleet.stack.port("broker")) as address:
        fleet.stack.environ["REDIS_URL"] = url._replace(
            netloc=f"{url.netloc.rpartition(':')[0]}:{address.port}"
        ).geturl()
        pair = Pair(fleet)
        workers = works(fleet, off)
        pair.hand_over(fleet)
        since = time.monotonic()
        late = fleet.start_worker(off=off)
        says(fleet, row, workers[0], "READONLY")
        says(fleet, at_start, late, "READONLY")
        time.sleep(max(0.0, since + REFUSING_SECS - time.monotonic()))
        address.leads_to(pair.port)
        fleet.use_redis(pair.url)
        goes_on(fleet, row, workers, time.monotonic())
        with contextlib.suppress(TimeoutError):
            until(lambda: "ready." in late.log.read_text(errors="replace"), BACK_SECS, "the late worker is ready")
        goes_on_alone(fleet, at_start, workers, late)


def goes_on_alone(fleet: Fleet, row: Row, others: list[Child], late: Child) -> None:
    """A worker must do the work without the others."""
    for worker in others:
        fleet.kill(worker)
    fleet.report_usage(200)
    row.judge(fleet, secs=60)
    row.demand(late.is_alive, "the worker that started meanwhile did not live on")


def test_a_planned_failover(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Redis planned failover: connections survive, the node is a replica now",
        "workers leave the demoted node and go on at the new primary; nothing lost",
        f"a real pair, FAILOVER; its address means the new primary {REFUSING_SECS:.0f} s later (READONLY until then)",
        30,
    )
    at_start = row(
        "a worker started while Redis is READONLY",
        "it waits, says why, and works once there is a primary",
        "in the same run; then the other workers are killed, and it has 200 reports for itself",
        31,
    )
    fails_over(fleet(watched=False), one, at_start)
    one.must_hold()
    at_start.must_hold()


@contextlib.contextmanager
def without_replicas(fleet: Fleet) -> Iterator[None]:
    """Redis wants a replica for each write, and has none."""
    fleet.redis.config_set("min-replicas-to-write", 1)
    yield
    fleet.redis.config_set("min-replicas-to-write", 0)


@contextlib.contextmanager
def without_room(fleet: Fleet) -> Iterator[None]:
    """The disk under the append-only file is full."""
    ballast = fleet.stack.directory / "broker" / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    until(lambda: not _takes(fleet.redis), 30, "Redis refuses to write")
    yield
    ballast.unlink()


def _takes(redis: Redis) -> bool:
    try:
        return bool(redis.set("faults:probe", "x" * 4096, px=1))
    except RedisError:
        return False


def refuses(
    fleet: Fleet,
    row: Row,
    reply: str,
    outage: Callable[[Fleet], contextlib.AbstractContextManager[None]],
    off: str = "",
) -> None:
    """Let Redis refuse commands for a while in the middle of the work."""
    workers = works(fleet, off)
    with outage(fleet):
        since = time.monotonic()
        says(fleet, row, workers[0], reply)
        time.sleep(max(0.0, since + REFUSING_SECS - time.monotonic()))
    goes_on(fleet, row, workers, time.monotonic())


def test_a_redis_without_replicas(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Redis without enough replicas (NOREPLICAS)",
        "workers wait, say why, and go on; nothing lost",
        f"min-replicas-to-write 1 for {REFUSING_SECS:.0f} s",
        32,
    )
    refuses(fleet(), one, "NOREPLICAS", without_replicas)
    one.must_hold()


@pytest.mark.disk(AOF_BYTES)
def test_a_disk_that_is_full_under_redis(
    fleet: Callable[..., Fleet], row: Callable[..., Row], small_disk: Path | None
) -> None:
    one = row(
        "disk full under Redis' append-only file (MISCONF)",
        "workers wait, say why, and go on when there is room; nothing lost",
        f"a tmpfs of {AOF_BYTES // 2**20} MB under the file, full for {REFUSING_SECS:.0f} s",
        33,
    )
    if small_disk is None:
        one.impossible = "this user may not mount a file system (root may)"
        return
    refuses(fleet(broker_disk=small_disk), one, "MISCONF", without_room)
    one.must_hold()
