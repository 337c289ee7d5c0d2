"""Messages that come twice, and what is no message of ours."""

import base64
import bz2
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from faults.fleet import ARCHIVAL, QUEUES, REGISTRY, Fleet, until
from faults.matrix import Row

EACH = 25
BOMBS, BOMB_BYTES, MOST_GROWN_BYTES = 5, 200 * 2**20, 100 * 2**20
FIRST_PAGE: dict[str, Any] = {"page": None, "listed": 0}


def doubles_messages(fleet: Fleet, row: Row, off: str = "") -> None:
    """Push each message twice, then the first pages and every batch that is under way."""
    fleet.work()
    for queue in QUEUES:
        for item in fleet.redis.lrange(queue, 0, -1):
            fleet.redis.lpush(queue, item)
    fleet.start_workers(off=off)
    until(lambda: fleet.sweep_field("last_page"), 60, "a page walked")
    for _ in range(2):
        fleet.send("archival.walk_page", ARCHIVAL, sweep_id=fleet.sweep_id, pass_number=1, index=0, cursor=FIRST_PAGE)
        batches: Any = fleet.redis.hgetall(f"memory_graph:sweep:{fleet.sweep_id}:batches")
        for batch_id, ids in batches.items():
            fleet.send(
                "archival.archive_batch",
                ARCHIVAL,
                task_id=batch_id.decode(),
                sweep_id=fleet.sweep_id,
                session_ids=json.loads(ids),
            )
            row.runs += 1
    row.runs += len(fleet.reports)
    row.judge(fleet)


def mixes_junk_in(fleet: Fleet) -> dict[str, int]:
    """Put junk among the good messages; returns the dead letters that there must be, by reason."""
    for number in range(EACH):
        fleet.send("registry.no_such_task", REGISTRY, number=number)
        fleet.send("registry.track_usage", REGISTRY, raport={"number": number})
        fleet.redis.lpush(REGISTRY, f"no message {number}", json.dumps([number]), json.dumps({"headers": number}))
        good = json.loads(_message(fleet))
        fleet.redis.lpush(REGISTRY, json.dumps({**good, "body": f"{number}: not base64"}))
        fleet.redis.lpush(REGISTRY, json.dumps({**good, "content-type": "application/x-python-serialize"}))
    return {"unknown_task": EACH, "invalid_payload": EACH, "broken_envelope": 4 * EACH, "undecodable": EACH}


def _message(fleet: Fleet) -> bytes:
    """One good message with an id of its own, off a queue that no worker takes from."""
    fleet.send("registry.list_models", "aside")
    item: Any = fleet.redis.lpop("aside")
    return item


def test_messages_that_come_twice(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "duplicate delivery forced (the same message pushed twice; a page task twice)",
        "the same end state as once",
        "every message doubled in its queue, then the first page and each batch again; runs = messages doubled",
        15,
    )
    doubles_messages(fleet(), one)
    one.must_hold()


def reads_junk(fleet: Fleet, row: Row, off: str = "") -> None:
    workers = fleet.start_workers(off=off)
    fleet.work(1000)
    letters = mixes_junk_in(fleet)
    fleet.report_usage(1000)
    row.judge(fleet, letters=letters)
    row.runs = sum(letters.values())
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


@pytest.mark.short
def test_junk_among_good_messages(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "junk, unknown tasks, broken envelopes among good messages",
        "the worker survives; each is a dead letter or in quarantine",
        f"{EACH} of each kind; runs = bad messages",
        17,
    )
    reads_junk(fleet(), one)
    one.must_hold()


def mixes_bombs_in(fleet: Fleet, good: dict[str, Any]) -> int:
    """Put messages among the good ones whose body is small and unpacks to a lot; returns how many."""
    good["headers"]["task"] = "memory_graph.registry.track_usage"
    text = b'[[], {"report": "' + b"x" * BOMB_BYTES + b'"}, {}]'
    packed = {"application/x-gzip": gzip.compress(text), "zlib": zlib.compress(text), "bzip2": bz2.compress(text)}
    del text
    for number in range(BOMBS):
        for compression, body in packed.items():
            good["headers"] |= {"id": f"bomb-{compression}-{number}", "compression": compression}
            fleet.redis.lpush(REGISTRY, json.dumps({**good, "body": base64.b64encode(body).decode()}))
    return BOMBS * len(packed)


def unpacks_bombs(fleet: Fleet, row: Row, off: str = "") -> None:
    good = json.loads(_message(fleet))
    workers = fleet.start_workers(off=off)
    fleet.work(200)
    fleet.settles()
    before = [fleet.memory_bytes(worker, "VmHWM") for worker in workers]
    fleet.report_usage(500)
    row.runs = mixes_bombs_in(fleet, good)
    fleet.report_usage(500)
    fleet.settles()
    grown = max(fleet.memory_bytes(worker, "VmHWM") - most for worker, most in zip(workers, before, strict=True))
    row.demand(grown < MOST_GROWN_BYTES, f"a worker's memory grew by {grown / 2**20:.0f} MiB")
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")
    if not row.complaints:  # else the letters may be too large to read
        row.judge(fleet, letters={"undecodable": row.runs})


def test_compression_bombs_among_good_messages(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "compression bombs among good messages",
        f"each is in quarantine; no worker's memory grows by {MOST_GROWN_BYTES // 2**20} MiB; the good ones are done",
        f"{BOMBS} each of gzip, zlib and bzip2 that unpack to {BOMB_BYTES // 2**20} MiB; runs = bombs",
        44,
    )
    unpacks_bombs(fleet(), one)
    one.must_hold()
