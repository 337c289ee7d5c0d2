"""Sends reports by one road and tells what it cost: `python benchmarks/sending.py ROAD MANY`, JSON on standard output.

A process of its own for each road, because a road's imports and connections are its own.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import payloads

Reports = list[dict[str, Any]]
WARM = 50
PARTS = 5


def bare(reports: Reports) -> None:
    """Bare Celery's `.delay`."""
    from peers.bare import track

    for report in reports:
        track.delay(report)


def ours(reports: Reports) -> None:
    """`track_usage.delay`, validated, one report a task."""
    from memory_graph_workers.tasks.registry import track_usage

    for report in reports:
        track_usage.delay(report)


def reporter(reports: Reports) -> None:
    """`UsageReporter.report`, until all has been sent."""
    from memory_graph_workers.tasks.usage import UsageReporter

    with UsageReporter() as opened:
        for report in reports:
            opened.report(**report)


def bulk(reports: Reports) -> None:
    """`enqueue_many`, one operation a message."""
    from memory_graph_workers.tasks.bulk import enqueue_many
    from memory_graph_workers.tasks.registry import track_usage

    enqueue_many(track_usage, [{"report": report} for report in reports])


def dramatiq(reports: Reports) -> None:
    """Dramatiq's `send`."""
    from peers.dramatiq_app import track

    for report in reports:
        track.send(report)


async def taskiq(reports: Reports) -> None:
    """Taskiq's `kiq`."""
    from peers.taskiq_app import track

    for report in reports:
        await track.kiq(report)


ROADS: dict[str, Callable[[Reports], Awaitable[None] | None]] = {
    road.__name__: road for road in (bare, ours, reporter, bulk, dramatiq, taskiq)
}


async def measured(road: Callable[[Reports], Any], many: int) -> dict[str, float]:
    """Warm the road up, then send in parts; the median part counts, as what disturbs one does not disturb all."""
    reports, size = payloads.reports(many + WARM), many // PARTS
    await finished(road(reports[:WARM]))
    parts: list[tuple[float, float]] = []
    for start in range(WARM, WARM + size * PARTS, size):
        wall, cpu = time.perf_counter(), time.process_time()
        await finished(road(reports[start : start + size]))
        parts.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (statistics.median(one) / size * 1e6 for one in zip(*parts, strict=True))
    return {"wall_us": wall, "cpu_us": cpu}


async def finished(outcome: Any) -> None:
    """Wait for a road that is a coroutine."""
    if asyncio.iscoroutine(outcome):
        await outcome


if __name__ == "__main__":
    name, many = sys.argv[1:]
    if name == "taskiq":
        from peers.taskiq_app import broker

        async def whole() -> dict[str, float]:
            await broker.startup()
            try:
                return await measured(taskiq, int(many))
            finally:
                await broker.shutdown()

        print(json.dumps(asyncio.run(whole())))
    else:
        print(json.dumps(asyncio.run(measured(ROADS[name], int(many)))))
