"""What counting a usage report asks of the database, and what it leaves there."""

from datetime import UTC, datetime, timedelta, timezone

from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.registry import counting_postgresql
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.counted import Days, Entry
from memory_graph_workers.services.registry.records import UsageRecord
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from sqlalchemy import event, select

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYED = {"sent_key": "one", "key": b"k" * 16, "fields": b"f" * 16}


def count(session, *entries):
    return registry_usage.count(session, list(entries), NOW, Days(1, 0), {"a/b"})


def register(storage):
    storage.write(lambda session: registry_sessions.register(session, SessionRegistration("s", "a/b"), NOW))


def test_a_report_takes_one_look_up_and_a_write_for_each_table(storage):
    register(storage)
    sent = []

    def work(session):
        event.listen(session.connection(), "before_cursor_execute", lambda *given: sent.append(given[2]))
        return count(session, Entry(UsageReport("s", 1, 2, total_tokens=3), **KEYED))

    (seen,) = storage.write(work)
    assert seen.is_new
    assert len(sent) <= 5


def test_a_time_with_an_offset_is_kept_in_utc_and_ordered_by_when_it_was(storage):
    register(storage)
    early = datetime(2026, 1, 1, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=5)))
    late = datetime(2026, 1, 1, 6, 0, tzinfo=UTC)
    reports = [UsageReport("s", 1, 2, "a/b", 3, timestamp=at, metadata={"ö": [1]}) for at in (late, early)]
    storage.write(lambda session: count(session, *map(Entry, reports)))
    with storage.read() as session:
        totals = registry_usage.of_session(run_in(session), "s")
        rows = session.execute(select(UsageRecord.reported_at, UsageRecord.details).order_by(UsageRecord.number)).all()
    assert (totals.from_, totals.to, totals.total_tokens) == (early, late, 6)
    assert [tuple(row) for row in rows] == [(late, {"ö": [1]}), (early, {"ö": [1]})]


def test_the_statement_of_a_single_report_is_short_enough_for_the_driver_to_remember():
    assert len(counting_postgresql._statement(True)) <= MAX_CACHED_STATEMENT_LENGTH
