"""The benchmarks of growth run on today's tables, and what they say is touched is all that is."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dropping
import growth
import listing
import pytest
from explained import touched
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry.records import Base, UsageRecord
from postgres import postgres
from sqlalchemy import func, select

SESSIONS, REPORTS = 2_000, 24_000


@pytest.fixture(scope="module")
def filled() -> Iterator[growth.Filled]:
    """A small Registry, as the benchmark fills it."""
    with TemporaryDirectory(prefix="mgw-bench-") as folder, postgres(Path(folder)) as server:
        address = server.url(server.new_database())
        with growth.registry(address, SESSIONS, REPORTS) as made:
            yield made


def test_every_call_touches_something(filled: growth.Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "ROUNDS", 2)
    for name, figures in growth.measured([filled] * 3).items():
        assert min(number for one in figures.values() for number in one.values()) > 0, name


def test_what_a_statement_writes_last_is_touched_too(filled: growth.Filled) -> None:
    """Each report is a row in two tables and adds to two sums, whose pages and those of their indexes are looked at."""
    random = growth.Random(2)
    one, many = (
        filled.storage.write(lambda session: touched(session, growth.counting(random, SESSIONS, count)))  # noqa: B023
        for count in (1, 100)
    )
    assert many.buffers - one.buffers > 99 * 12


def test_months_are_dropped_in_both_ways(filled: growth.Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "QUIET_SECS", 0.3)
    storage = filled.storage
    with storage.read() as session:
        before = session.scalar(select(func.count()).select_from(UsageRecord).where(UsageRecord.number <= REPORTS))
    found = dropping.measured(filled.address, storage, partial(growth.one_batch, filled), REPORTS)
    with storage.read() as session:
        after = session.scalar(select(func.count()).select_from(UsageRecord).where(UsageRecord.number <= REPORTS))
    month = REPORTS // dropping.MONTHS
    assert {name: way["rows"] for name, way in found.items()} == {"slices of DELETE": month, "partitions": month}
    assert (before, after) == (REPORTS, REPORTS - 4 * month + 1)  # the first partition begins with row 0


def test_pages_are_filled_in_sqlite_too(tmp_path: Path) -> None:
    url = DatabaseUrl().deserialize(f"sqlite:///{tmp_path}/registry.db")
    storage = Storage(url, Base)
    storage.create()
    listing.fill(storage, url, SESSIONS)
    for name, (read, naive) in listing.readings(SESSIONS).items():
        with storage.read() as session:
            assert read(session), name
            naive(session)
    storage.close()
