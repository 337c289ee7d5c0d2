"""No page and no sum reads a large table from end to end, on both databases."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.counted import Days, Entry
from memory_graph_workers.services.registry.listing import BLOCK, Filters
from memory_graph_workers.services.registry.records import Base, SessionRecord, SessionUsage, UsageRecord
from sqlalchemy import event, func, insert, select, text

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = list(SessionStatus)
MANY, SLICE = 20_000, 1_000
FIRST = SessionRegistration("first", "a/b", started_at=START)


def session_row(number):
    started = START + timedelta(minutes=number)
    status = STATUSES[number % 4].value
    return {
        "number": number, "session_id": f"s{number}", "model_id": "a/b", "model_version": "", "started_at": started,
        "ended_at": None, "status": status, "details": {}, "tags": [],
    }  # fmt: skip


def report_row(number):
    return {
        "session_number": number, "model_id": "a/b", "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2,
        "latency_ms": 5, "reported_at": START, "details": {},
    }  # fmt: skip


def total_row(number):
    return {
        "session_number": number, "reports": 1, "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2,
        "latency_ms": 5, "timed_reports": 1, "first_at": START, "last_at": START,
    }  # fmt: skip


def fill(session, numbers):
    """Many sessions and reports."""
    session.execute(insert(SessionRecord), [session_row(number) for number in numbers])
    session.execute(insert(UsageRecord), [report_row(number) for number in numbers])
    session.execute(insert(SessionUsage), [total_row(number) for number in numbers])


def count(session):
    """What was filled in, counted as if it had come one by one."""
    report = UsageReport("s7", prompt_tokens=1, completion_tokens=1, total_tokens=2)
    registry_usage.count(session, [Entry(report)], START, Days(0, 0))
    session.execute(text("DELETE FROM session_blocks"))
    counted = f"number / {BLOCK}, status, count(*), min(started_at), max(started_at), min(started_at), max(started_at)"
    session.execute(text(f"INSERT INTO session_blocks SELECT {counted} FROM sessions GROUP BY 1, 2"))


@pytest.fixture(scope="module")
def filled(new_database):
    made = Storage(DatabaseUrl().deserialize(new_database()), Base)
    made.create()
    made.write(lambda session: registry_sessions.register(session, FIRST, START))
    for number in range(2, MANY, SLICE):  # a statement of all would outlast its time limit on a busy machine
        made.write(partial(fill, numbers=range(number, min(number + SLICE, MANY))))
    made.write(count)
    made.write(lambda session: session.execute(text("ANALYZE")))
    yield made
    made.close()


READS = {
    "first page": lambda session: registry_sessions.list_page(session, 1, 50, Filters()),
    "deep page": lambda session: registry_sessions.list_page(session, 390, 50, Filters()),
    "filtered page": lambda session: registry_sessions.list_page(session, 90, 50, Filters(SessionStatus.FAILED)),
    "page before a moment": lambda session: registry_sessions.list_page(
        session, 150, 50, Filters(started_before=START + timedelta(minutes=9_999))
    ),
    "filtered page before a moment": lambda session: registry_sessions.list_page(
        session, 40, 50, Filters(SessionStatus.ACTIVE, START + timedelta(minutes=9_999))
    ),
    "page that ended before a moment": lambda session: registry_sessions.list_page(
        session, 40, 50, Filters(SessionStatus.COMPLETED, ended_before=START + timedelta(minutes=9_999))
    ),
    "session": lambda session: registry_sessions.read(session, "s7"),
    "usage of a session": lambda session: registry_usage.of_session(run_in(session), "s7"),
    "usage of a model": lambda session: registry_usage.of_model(run_in(session), "a/b"),
}


def plans(session, work):
    """How the database means to run each statement of `work`, by its own account."""
    sent = []
    connection = session.connection()
    keep = lambda *arguments: sent.append(arguments[2:4])  # noqa: E731
    event.listen(connection, "before_cursor_execute", keep)
    work(session)
    event.remove(connection, "before_cursor_execute", keep)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    for statement, parameters in sent:
        yield "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))


def scans(plan):
    """The large tables that a plan reads from end to end."""
    large = "sessions|usage_reports|session_usage"
    return re.findall(rf"(?:SCAN|Seq Scan on) (?:{large})\b(?! USING (?:COVERING )?INDEX \w+ \()", plan)


@pytest.mark.parametrize("name", READS)
def test_no_reading_scans_a_table(filled, name):
    with filled.read() as session:
        found = list(plans(session, READS[name]))
    assert found
    assert [plan for plan in found if scans(plan)] == []


@pytest.mark.parametrize("name", ["session", "usage of a session", "usage of a model"])
def test_a_session_and_a_sum_are_one_statement_each(filled, name):
    with filled.read() as session:
        assert len(list(plans(session, READS[name]))) == 1


def test_a_naive_page_would_be_seen_to_scan(filled):
    query = select(func.count()).select_from(SessionRecord)
    with filled.read() as session:
        (plan,) = plans(session, lambda session: session.execute(query.where(SessionRecord.model_id == "x")))
    assert scans(plan)


def test_a_deep_page_of_many_sessions_is_the_right_one(filled):
    with filled.read() as session:
        answer = READS["deep page"](session)
        ids = session.scalars(select(SessionRecord.session_id).order_by(SessionRecord.number)).all()
    assert ([info.session_id for info in answer.sessions], answer.total) == (ids[389 * 50 : 390 * 50], len(ids))
