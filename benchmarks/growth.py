"""What a call of the Registry touches and takes among 1 M and 20 M usage reports, and what it costs to drop a month.

`make bench-growth` prints JSON. It starts a PostgreSQL of its own, and needs 15 GB of disk and about ten minutes.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import dropping
from explained import touched
from listing import SIZE, START, page, statements
from memory_graph_workers.schemas.ids import time_ordered_id
from memory_graph_workers.schemas.registry import SessionStatus, UsageReport
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.database.engines import migration_engine
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.counted import Days, Entry
from memory_graph_workers.services.registry.records import Base
from memory_graph_workers.services.registry.usage_keys import key_bytes
from postgres import postgres
from sqlalchemy.orm import Session

Work = Callable[[Session], Any]
ROUNDS = 31
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = {f"m-{number}" for number in range(10)}
# Time-ordered UUIDs, as the package makes them: 48 bits of time, then 80 that are as good as random.
KEYS = """INSERT INTO usage_keys SELECT decode(lpad(to_hex(i), 12, '0') || '7' || left(md5(i::text), 19), 'hex'),
    decode(md5((-i)::text), 'hex'), 0 FROM generate_series(1, {reports}) AS numbers(i)"""

NAMED = "INSERT INTO models (model_id, created_at, details) SELECT DISTINCT model_id, now(), '{}' FROM model_usage"


def main() -> None:
    """Measure three sizes, then drop months of the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000_000, help="Of the largest database.")
    largest = parser.parse_args().reports
    few = largest // 20
    sizes = [(few // 20, few), (few, few), (few, largest)]
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as folder, postgres(Path(folder) / "postgres") as server:
        for sessions, reports in sizes:
            address = server.url(server.new_database())
            with registry(address, sessions, reports) as storage:
                found.append({"sessions": sessions, "reports": reports, "calls": measured(storage, sessions)})
                if reports == largest:
                    insert = partial(one_batch, storage, sessions)
                    months = dropping.measured(address, storage, insert, reports)
    print(json.dumps({"sizes": found, "growth": growth(found), "a month of 12 dropped": months}, indent=2))


@contextmanager
def registry(address: str, sessions: int, reports: int) -> Iterator[Storage]:
    """A Registry's database with so many sessions, usage reports and their keys."""
    began, url = time.monotonic(), DatabaseUrl().deserialize(address)
    storage = Storage(url, Base, threads=4)
    storage.create()
    engine = migration_engine(url, "registry")  # which has no time limits
    with engine.begin() as connection:
        connection.exec_driver_sql("SET session_replication_role = replica")  # the rows fit: no look at foreign keys
        for statement in [*statements("postgresql", sessions, reports), KEYS.format(reports=reports)]:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"SELECT setval('usage_reports_number_seq', {reports})")
        connection.exec_driver_sql(NAMED)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    print(f"{reports:,} reports filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    yield storage
    storage.close()


def measured(storage: Storage, sessions: int) -> dict[str, dict[str, float]]:
    """What each call touches, and its median time: of a write up to its durable commit."""
    return {name: of_call(storage, work) for name, work in calls(sessions).items()}


def calls(sessions: int) -> dict[str, Callable[[], Work]]:
    """The calls by name; each makes the work of one round, as the Registry's routes do it."""
    random, last = Random(1), sessions // SIZE
    half = START + timedelta(minutes=sessions / 2)
    failed, archived = SessionStatus.FAILED, SessionStatus.ARCHIVED
    return {
        "count a batch of 100 reports": lambda: counting(random, sessions, 100),
        "count a single report": lambda: counting(random, sessions, 1),
        "usage of a session": lambda: usage_of_session(random.randrange(sessions) + 1),
        "usage of a model": lambda: lambda session: registry_usage.of_model(run_in(session), "m-3"),
        "first page": lambda: page(1),
        "first page of `failed`": lambda: page(1, failed),
        "middle page of `failed`": lambda: page(max(last // 40, 1), failed),
        "middle page of `archived`, started in the first half": lambda: page(max(last * 17 // 80, 1), archived, half),
    }


def counting(random: Random, sessions: int, many: int) -> Work:
    """Count reports of sessions from anywhere, each under a key of its own."""
    owners = [f"s-{random.randrange(sessions) + 1}" for _ in range(many)]
    entries = [entry(owner) for owner in owners]
    return lambda session: registry_usage.count(session, entries, NOW, Days(1, 0), MODELS)


def entry(owner: str) -> Entry:
    """A report as a worker sends it."""
    report = UsageReport(owner, model_id="m-3", prompt_tokens=300, completion_tokens=100, total_tokens=400)
    key = time_ordered_id()
    return Entry(report, key, key_bytes(key), b"f" * 16)


def usage_of_session(number: int) -> Work:
    """The sum of a session."""
    return lambda session: registry_usage.of_session(run_in(session), f"s-{number}")


def one_batch(storage: Storage, sessions: int) -> None:
    """Count a batch of 100 reports."""
    storage.write(counting(Random(), sessions, 100))


def of_call(storage: Storage, make: Callable[[], Work]) -> dict[str, float]:
    """Medians of some rounds, the first not counted."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        work, began = make(), time.perf_counter()
        storage.write(work)
        times.append((time.perf_counter() - began) * 1000)
    seen = [asdict(storage.write(lambda session: touched(session, make()))) for _ in range(ROUNDS)]
    rows, buffers = (round(statistics.median(one[name] for one in seen)) for name in ("rows", "buffers"))
    return {"rows": rows, "buffers": buffers, "ms": round(statistics.median(times[1:]), 2)}


def growth(found: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """By how much each figure of the largest is that of the others: of as many sessions, and of a twentieth of both."""
    fewer, as_many, largest = (one["calls"] for one in found)
    return {
        name: {
            "20 times the reports": ratios(largest[name], as_many[name]),
            "and the sessions": ratios(largest[name], fewer[name]),
        }
        for name in largest
    }


def ratios(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """One call's figures by another's."""
    return {name: round(one[name] / other[name], 2) for name in one}


if __name__ == "__main__":
    main()
