"""Rows of usage reports are deleted after the days that were set; no sum and no repeat changes with them."""

from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.app import make_app, prepare
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.registry.counted import Days, Entry
from memory_graph_workers.services.registry.records import UsageRecord
from memory_graph_workers.services.registry.retention import UsageRetention
from memory_graph_workers.services.registry.usage_keys import key_bytes
from memory_graph_workers.services.web.cleaning import SLICE, clean
from sqlalchemy import select

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)  # what a report says of its time counts for nothing
TODAY = Days(20_000, 0)


class Clock:
    """A clock that is set by days."""

    day = 0

    def __call__(self):
        return START + timedelta(days=self.day)


def add(storage, name, many):
    """Register a session and count reports of it, each under a key; returns what became of them."""
    registration = SessionRegistration(name, "m", started_at=START)
    report = UsageReport(name, prompt_tokens=1, completion_tokens=1, total_tokens=2, timestamp=LONG_AGO)
    keys = [f"{name}-{number}" for number in range(many)]
    entries = [Entry(report, key, key_bytes(key), b"fields") for key in keys]

    def work(session):
        registry_sessions.register(session, registration, START)
        return registry_usage.count(session, entries, START, TODAY)

    return storage.write(work)


def left(storage):
    """How many rows each session has left."""
    with storage.read() as session:
        found = session.scalars(select(UsageRecord.session_number)).all()
    return [found.count(number) for number in sorted(set(found))]


def sums(storage, *names):
    with storage.read() as session:
        return [
            registry_usage.of_model(run_in(session), "m"),
            *(registry_usage.of_session(run_in(session), name) for name in names),
        ]


@pytest.mark.parametrize("many", [1, SLICE, 2 * SLICE + 7])
def test_rows_go_when_they_are_too_old_and_no_sum_or_repeat_changes(storage, many):
    clock = Clock()
    retention = UsageRetention(storage, 30, clock)
    add(storage, "old", many)
    clean([retention.purge])
    clock.day = 1
    add(storage, "new", 3)
    clean([retention.purge])
    before = sums(storage, "old", "new")
    for clock.day, expected in ((30, [many, 3]), (31, [3]), (32, []), (900, [])):
        clean([retention.purge])
        assert left(storage) == expected
    assert sums(storage, "old", "new") == before
    assert not any(one.is_new for one in add(storage, "old", many))
    assert (sums(storage, "old", "new"), left(storage)) == (before, [])


def test_rows_are_kept_for_ever_by_default(storage):
    clock = Clock()
    add(storage, "old", 3)
    for clock.day in (0, 1, 40_000):
        clean([UsageRetention(storage, None, clock).purge])
    assert left(storage) == [3]


def test_rows_that_came_while_nobody_cleaned_are_kept_from_the_next_cleaning_on(storage):
    clock = Clock()
    add(storage, "old", 2)
    clean([UsageRetention(storage, 5, clock).purge])
    add(storage, "new", 4)
    for clock.day, expected in ((700, [4]), (705, [4]), (706, [])):
        clean([UsageRetention(storage, 5, clock).purge])
        assert left(storage) == expected


def test_the_service_cleans_by_its_setting(new_database):
    url = DatabaseUrl().deserialize(new_database())
    prepare(RegistryServiceConfig(url))
    for days in (0, 2):
        config = RegistryServiceConfig(url, usage_reports_kept_days=1, clock_offset_secs=days * 86_400.0)
        extensions = make_app(config, 1).extensions
        if not days:
            add(extensions["storage"], "old", 3)
        clean(extensions["purges"])
        assert left(extensions["storage"]) == ([] if days else [3])
        extensions["storage"].close()


def test_one_purge_deletes_no_more_than_a_slice(storage):
    clock = Clock()
    add(storage, "old", SLICE + 1)
    retention = UsageRetention(storage, 1, clock)
    retention.purge()
    clock.day = 2
    assert [retention.purge() for _ in range(3)] == [SLICE, 1, 0]


def test_two_processes_that_clean_at_once_delete_each_row_once(storage):
    clock = Clock()
    add(storage, "old", SLICE + 1)
    one, other = (UsageRetention(storage, 1, clock) for _ in range(2))
    one.purge()
    clock.day = 2
    assert [one.purge(), other.purge(), one.purge(), other.purge()] == [SLICE, 1, 0, 0]


@pytest.mark.parametrize("days", ["0", "-1", "36501", "soon"])
def test_days_that_make_no_sense_are_refused(days):
    with pytest.raises(ValueError, match="USAGE_REPORTS_KEPT_DAYS"):
        RegistryServiceConfig.from_env({"USAGE_REPORTS_KEPT_DAYS": days})
