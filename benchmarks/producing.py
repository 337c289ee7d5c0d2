"""The producer of a whole system: `python benchmarks/producing.py ROAD WARM MANY`.

It prints `ready`, and each line on standard input lets it go on: first the WARM reports, then MANY. After each part it
prints `ready` again. A process of its own for each road, because a road's imports and connections are its own.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import payloads
import sending

Reports = list[dict[str, Any]]
BATCH = 100


async def taskiq_batch(reports: Reports) -> None:
    """Taskiq's `kiq` of a hundred reports, each with a key of its own."""
    from peers.taskiq_app import track_batch

    keyed = [{**report, "idempotency_key": str(uuid4())} for report in reports]
    for start in range(0, len(keyed), BATCH):
        await track_batch.kiq(keyed[start : start + BATCH])


def limit(reports: Reports) -> None:
    """No queue and no HTTP: the rows themselves."""
    from committing import commit

    for start in range(0, len(reports), BATCH):
        commit(reports[start : start + BATCH])


def phoenix(reports: Reports) -> None:
    """A span a report, until all have been exported."""
    from peers.phoenix_spans import send

    send(reports)


ROADS: dict[str, Callable[[Reports], Any]] = {
    **{name: sending.ROADS[name] for name in ("bare", "ours", "reporter", "taskiq")},
    "taskiq_batch": taskiq_batch,
    "limit": limit,
    "phoenix": phoenix,
}


async def produce(name: str, *sizes: int) -> None:
    """Send the parts, each when it is asked for."""
    reports, start = payloads.numbered(sum(sizes)), 0
    for size in sizes:
        wait_for_turn()
        await sending.finished(ROADS[name](reports[start : start + size]))
        start += size
    wait_for_turn()  # so that what was used can still be read


def wait_for_turn() -> None:
    """Say that we are ready, and go on when we are told to; end if whoever started us is gone."""
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit()


async def main(name: str, *sizes: int) -> None:
    """Produce; taskiq's broker is opened first."""
    if not name.startswith("taskiq"):
        await produce(name, *sizes)
        return
    from peers.taskiq_app import broker

    await broker.startup()
    try:
        await produce(name, *sizes)
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
