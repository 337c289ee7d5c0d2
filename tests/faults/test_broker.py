"""The broker away, restarted, or out of memory."""

import subprocess
import sys
import time
from collections.abc import Callable

from faults.fleet import Fleet, until
from faults.matrix import Row
from faults.proxy import answers, delays

AWAY_SECS = 5
DOWN_SECS = (0.3, 20.0)
BACK_SECS = 45  # Celery's own steps between two tries to reconnect grow to 30 s
BUSY = answers(429, Retry_After="1")
BATCHES = "POST /api/v1/archive/batch"
SEND = "from memory_graph_workers.tasks.registry import get_session; get_session.delay('s' * 250)"


def takes_redis_away_from_retries(fleet: Fleet, row: Row, off: str = "") -> None:
    fleet.registry.plays("busy", BUSY, on="POST /api/v1/usage", share=0.6)
    workers = fleet.start_workers(off=off)
    fleet.work()
    until(lambda: fleet.registry.played()["busy"] > 50, 60, "tasks being retried")
    before = fleet.registry.played()["busy"]
    fleet.stack.kill_server("broker")
    time.sleep(AWAY_SECS)
    fleet.stack.launch_again("broker", wait=True)
    since = time.monotonic()
    row.recovered(_first_effect(fleet, since), BACK_SECS)
    until(lambda: fleet.registry.played()["busy"] > before + 20, 60, "tasks retried again")
    fleet.registry.heals()
    row.judge(fleet)
    row.runs = fleet.registry.played()["busy"]
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


def test_redis_away_while_tasks_are_retried(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Redis 5 s away while tasks are being retried",
        "no retry lost (Celery's default loses each)",
        "SIGKILL of the server and a start 5 s later; 60 % of reports get a 429; runs = retries; "
        "visibility timeout 60 s",
        6,
    )
    takes_redis_away_from_retries(fleet(VISIBILITY_TIMEOUT_SECS="60"), one)
    one.must_hold()


def restarts_redis(fleet: Fleet, row: Row, off: str = "") -> None:
    """Restart the broker while its workers idle, and then under load."""
    workers = fleet.start_workers(off=off)
    for number, secs in enumerate(DOWN_SECS):
        _restart(fleet, secs)
        fleet.report_usage(10)
        since = time.monotonic()
        expected = 10 * (number + 1)
        until(lambda: fleet.effects().usage.total() >= expected, 60, "work done after an idle restart")  # noqa: B023
        row.recovered(time.monotonic() - since, BACK_SECS)
    fleet.work()
    for secs in DOWN_SECS:
        before = fleet.effects().usage.total()
        until(lambda: fleet.effects().usage.total() > before + 100, 60, "work under way")  # noqa: B023
        _restart(fleet, secs)
        row.recovered(_first_effect(fleet, time.monotonic()), BACK_SECS)
    row.judge(fleet)
    row.runs = 2 * len(DOWN_SECS)
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")
    _outlasts_the_timeout(fleet, row)


def _outlasts_the_timeout(fleet: Fleet, row: Row) -> None:
    """The lease goes on: a report that takes longer than the visibility timeout is sent once."""
    fleet.registry.plays("slow", delays(12), on="POST /api/v1/usage")
    fleet.report_usage(1)
    row.judge(fleet)
    sent = [seen for seen in fleet.registry.requests if seen.key == f"report-{fleet.reports[-1]}"]
    row.demand(len(sent) == 1, f"a task longer than the visibility timeout ran {len(sent)} times")


def _restart(fleet: Fleet, secs: float) -> None:
    fleet.stack.kill_server("broker")
    time.sleep(secs)
    fleet.stack.launch_again("broker", wait=True)


def _first_effect(fleet: Fleet, since: float) -> float:
    """Seconds until the workers have done something again."""
    before = fleet.effects().usage.total()
    until(lambda: fleet.effects().usage.total() > before + 20, 90, "work goes on")
    return time.monotonic() - since


def test_redis_restarted(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Redis restarted (AOF), 0.3 s and 20 s down, idle and under load",
        "workers recover by themselves, leases and held queues go on; nothing lost but what AOF everysec allows",
        "SIGKILL of the server; then a task of 12 s, with a visibility timeout of 5 s, runs once",
        7,
    )
    restarts_redis(fleet(), one)
    one.must_hold()


def fills_redis(fleet: Fleet, row: Row, off: str = "") -> None:
    """Leave Redis no room, while tasks are being retried."""
    fleet.registry.plays("busy", BUSY, on="POST /api/v1/usage", share=0.3)
    workers = fleet.start_workers(off=off)
    fleet.work()
    until(lambda: fleet.effects().usage.total() > 100, 60, "work under way")
    fleet.redis.config_set("maxmemory", "1mb")
    told = subprocess.run(
        [sys.executable, "-c", SEND], env=fleet.stack.child_environ(), capture_output=True, text=True, timeout=60
    )
    row.demand(told.returncode and "maxmemory" in told.stderr, f"a producer was told: {told.stderr[-200:]}")
    time.sleep(15)
    fleet.redis.config_set("maxmemory", "0")
    fleet.registry.heals()
    row.recovered(_first_effect(fleet, time.monotonic()), BACK_SECS)
    row.judge(fleet)
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


def test_redis_out_of_memory(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Redis out of memory (noeviction)",
        "producers get a clear error; workers go on when there is room",
        "maxmemory 1 MB for 15 s, while 30 % of reports get a 429 and are retried",
        8,
    )
    fills_redis(fleet(), one)
    one.must_hold()
