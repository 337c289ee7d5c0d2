"""Dropping months of usage reports: in slices, as the Registry does it, and as partitions, to compare."""

import random
import statistics
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry.records import UsageDay
from memory_graph_workers.services.registry.retention import UsageRetention
from memory_graph_workers.services.web.cleaning import clean

MONTHS = 12
QUIET_SECS = 10.0
PAUSE_SECS = 0.05  # between batches: at most 2,000 reports a second beside the dropping
DELETED = 31
PARTITIONED = """
CREATE TABLE partitioned (LIKE usage_reports INCLUDING DEFAULTS) PARTITION BY RANGE (number);
{parts}
CREATE TABLE rest PARTITION OF partitioned FOR VALUES FROM ({end}) TO (MAXVALUE);
INSERT INTO partitioned SELECT * FROM usage_reports;
ALTER TABLE partitioned ADD PRIMARY KEY (number);
CREATE INDEX ON partitioned (session_number);
ALTER TABLE partitioned ADD FOREIGN KEY (session_number) REFERENCES sessions (number) ON DELETE SET NULL;
VACUUM ANALYZE partitioned;
CHECKPOINT;
"""
PART = "CREATE TABLE month_{month} PARTITION OF partitioned FOR VALUES FROM ({first}) TO ({end});"
SWAP = """
ALTER SEQUENCE usage_reports_number_seq OWNED BY NONE;
DROP TABLE usage_reports;
ALTER TABLE partitioned RENAME TO usage_reports
"""
SIZE = "SELECT pg_total_relation_size('usage_reports')"
DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'usage_reports'"
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
Insert = Callable[[], None]
Drop = Callable[[int], None]


class Database:
    """A connection that commits each statement."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statements: str) -> None:
        """Run statements one after another."""
        for statement in filter(str.strip, statements.split(";")):
            self._connection.execute(statement.encode())

    def number(self, query: str) -> int:
        """The number that a query gives."""
        return int(cast("Any", self._connection.execute(query.encode()).fetchone())[0])


@contextmanager
def connected(address: str) -> Generator[Database]:
    """Connect to a Registry's database."""
    with psycopg.connect(address, autocommit=True, options="-c search_path=registry") as connection:
        yield Database(connection)


def measured(address: str, storage: Storage, insert: Insert, reports: int) -> dict[str, Any]:
    """Drop two months in each way: one alone, and one beside reports that come in."""
    month = reports // MONTHS
    with connected(address) as database:
        slices = dropped(database, insert, slices_of(storage, month), month)
        slices |= {"dead rows": database.number(DEAD), "MiB before VACUUM": mib(database)}
        slices["VACUUM, s"] = timed(lambda: database.run("VACUUM usage_reports"))
        slices |= {"MiB after it": mib(database), "delete a session, ms": deleting(database, storage)}
        parts = [PART.format(month=n, first=n * month, end=(n + 1) * month) for n in range(MONTHS)]
        database.run(PARTITIONED.format(parts="\n".join(parts), end=MONTHS * month) + SWAP)
        partitions = dropped(database, insert, lambda number: drop_partition(database, number + 2), month)
        partitions["delete a session, ms"] = deleting(database, storage)
        return {"slices of DELETE": slices, "partitions": partitions}


def slices_of(storage: Storage, month: int) -> Drop:
    """Drop months by the Registry's own cleaning, as if each had come in a day."""
    storage.write(lambda session: session.add_all(UsageDay(day=n, last_number=(n + 1) * month) for n in range(2)))
    day = 1
    retention = UsageRetention(storage, 1, lambda: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day))

    def drop(number: int) -> None:
        nonlocal day
        day = number + 2
        clean([retention.purge])

    return drop


def drop_partition(database: Database, number: int) -> None:
    """Drop a partition without keeping those who write to the others waiting."""
    database.run(f"ALTER TABLE usage_reports DETACH PARTITION month_{number} CONCURRENTLY; DROP TABLE month_{number}")


def dropped(database: Database, insert: Insert, drop: Drop, month: int) -> dict[str, Any]:
    """Drop the first month alone, and the second beside batches, whose times are those of a quiet time first."""
    before = database.number(WAL)
    secs = timed(lambda: drop(0))
    wal = (database.number(WAL) - before) / 2**20
    with batches(insert) as quiet:
        time.sleep(QUIET_SECS)
    with batches(insert) as beside:
        secs_beside = timed(lambda: drop(1))
        time.sleep(1.0)  # a partition goes so fast that no batch would meet it
    alone = {"rows": month, "s": secs, "rows/s": round(month / secs), "WAL, MiB": round(wal)}
    times = {"quiet": summary(quiet), "beside": summary(beside)}
    return alone | {"s beside batches": secs_beside, "a batch of 100, ms": times}


@contextmanager
def batches(insert: Insert) -> Generator[list[float]]:
    """Insert on and on, and keep how long each took."""
    times, over = list[float](), threading.Event()

    def run() -> None:
        while not over.wait(PAUSE_SECS):
            times.append(timed(insert) * 1000)

    thread = threading.Thread(target=run)
    thread.start()
    yield times
    over.set()
    thread.join()


def summary(times: list[float]) -> dict[str, float]:
    """The median, the 99th of a hundred, and the longest."""
    ordered = sorted(times)
    p99 = ordered[len(ordered) * 99 // 100]
    return {"median": round(statistics.median(ordered), 1), "p99": round(p99, 1), "longest": round(ordered[-1], 1)}


def deleting(database: Database, storage: Storage) -> float:
    """Delete sessions from anywhere, and return the median time of one."""
    sessions = database.number("SELECT max(number) FROM sessions")
    ids = [f"s-{number + 1}" for number in random.Random().sample(range(sessions), DELETED)]
    times = [timed(lambda: storage.write(lambda opened: registry_sessions.delete(opened, one))) for one in ids]  # noqa: B023
    return round(statistics.median(times) * 1000, 1)


def timed(work: Callable[[], Any]) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 4)


def mib(database: Database) -> int:
    """What the table and its indexes take."""
    return round(database.number(SIZE) / 2**20)
