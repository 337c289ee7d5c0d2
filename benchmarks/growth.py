"""What a call of the Registry touches and takes among 1 M and 20 M usage reports, and what it costs to drop a month.

`make bench-growth` prints JSON. It starts a PostgreSQL of its own, and needs 15 GB of disk and about ten minutes.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

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


class Filled(NamedTuple):
    """A database of so many sessions and usage reports."""

    address: str
    storage: Storage
    sessions: int
    reports: int


def main() -> None:
    """Measure three sizes in turns, then drop months of the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000_000, help="Of the largest database.")
    largest = parser.parse_args().reports
    few = largest // 20
    sizes = [(few // 20, few), (few, few), (few, largest)]
    with TemporaryDirectory(prefix="bench-growth-") as folder, postgres(Path(folder)) as server, ExitStack() as opened:
        filled = [opened.enter_context(registry(server.url(server.new_database()), *size)) for size in sizes]
        found = measured(filled)
        last = filled[-1]
        row_bytes = on_disk(last)
        months = dropping.measured(last.address, last.storage, partial(one_batch, last), largest)
    print(json.dumps({"calls": found, "bytes": row_bytes, "a month of 12 dropped": months}, indent=2))


@contextmanager
def registry(address: str, sessions: int, reports: int) -> Iterator[Filled]:
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
    yield Filled(address, storage, sessions, reports)
    storage.close()


def measured(sizes: Sequence[Filled]) -> dict[str, Any]:
    """What each call touches at each size, its median time (of a write up to its durable commit), and how both grow."""
    found: dict[str, Any] = {}
    for name in calls(1):
        figures = of_call([(size.storage, calls(size.sessions)[name]) for size in sizes])
        fewer, as_many, most = figures
        titles = [f"{size.sessions} sessions, {size.reports} reports" for size in sizes]
        found[name] = dict(zip(titles, figures, strict=True))
        found[name]["20 times the reports"] = ratios(most, as_many)
        found[name]["20 times the reports and the sessions"] = ratios(most, fewer)
    return found


def on_disk(filled: Filled) -> dict[str, int]:
    """What a row takes in each table, with its indexes, and in the write-ahead log."""
    rows = {"usage_reports": filled.reports, "usage_keys": filled.reports}
    rows |= {"sessions": filled.sessions, "session_usage": filled.sessions}
    with dropping.connected(filled.address) as database:
        found = {name: database.number(f"SELECT pg_total_relation_size('{name}')") // n for name, n in rows.items()}
        before = database.number(dropping.WAL)
        for _ in range(ROUNDS):
            one_batch(filled)
        return found | {"log of a report in a batch": (database.number(dropping.WAL) - before) // (ROUNDS * 100)}


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


def one_batch(filled: Filled) -> None:
    """Count a batch of 100 reports."""
    filled.storage.write(counting(Random(), filled.sessions, 100))


def of_call(places: Sequence[tuple[Storage, Callable[[], Work]]]) -> list[dict[str, float]]:
    """Medians of some rounds in turns, the first not counted."""
    times: list[list[float]] = [[] for _ in places]
    for _ in range(ROUNDS + 1):
        for (storage, make), mine in zip(places, times, strict=True):
            work, began = make(), time.perf_counter()
            storage.write(work)
            mine.append((time.perf_counter() - began) * 1000)
    return [
        of_plans(storage, make) | {"ms": round(statistics.median(mine[1:]), 2)}
        for (storage, make), mine in zip(places, times, strict=True)
    ]


def of_plans(storage: Storage, make: Callable[[], Work]) -> dict[str, float]:
    """Medians of what was touched in some rounds."""
    seen = [storage.write(partial(touched, work=make())) for _ in range(ROUNDS)]
    rows, buffers = (statistics.median(getattr(one, name) for one in seen) for name in ("rows", "buffers"))
    return {"rows": round(rows), "buffers": round(buffers)}


def ratios(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """One call's figures by another's."""
    return {name: round(one[name] / other[name], 2) for name in one}


if __name__ == "__main__":
    main()
