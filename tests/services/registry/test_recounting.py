"""What somebody changes in the database is counted again, and no listing by status passes it over."""

from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, StatusUpdate
from memory_graph_workers.services.registry import recounting
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry.listing import BLOCK, Filters
from memory_graph_workers.services.registry.records import SessionBlock
from memory_graph_workers.services.registry.recounting import Recounting
from sqlalchemy import func, select, text

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [f"s{number}" for number in range(12)]
CHANGES = [
    "status = 'completed'",
    "status = 'paused'",
    "status = 'completed', ended_at = '2020-01-01 00:00:00.000000'",
    "started_at = '2030-01-01 00:00:00.000000'",
    "ended_at = '2030-01-01 00:00:00.000000'",
]


COMPLETED = StatusUpdate(SessionStatus.COMPLETED)


def go_on_at(session, number):
    """Let the next session have this number."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT setval('sessions_number_seq', {number - 1})"))
    else:
        session.execute(text(f"UPDATE sqlite_sequence SET seq = {number - 1} WHERE name = 'sessions'"))


@pytest.fixture
def filled(storage):
    """Twelve sessions in three blocks, of which every second is completed."""
    for number, name in enumerate(NAMES):
        if number in (4, 8):
            storage.write(lambda session, number=number: go_on_at(session, number // 4 * BLOCK))
        started = START + timedelta(minutes=number)
        storage.write(
            lambda session, name=name, started=started: registry_sessions.register(
                session, SessionRegistration(name, "m", started_at=started), START
            )
        )
        if number % 2:
            storage.write(lambda session, name=name: registry_sessions.change_status(session, name, COMPLETED, START))
    return storage


def change(storage, sql, where="true"):
    storage.write(lambda session: session.execute(text(f"UPDATE sessions SET {sql} WHERE {where}")))


def page(storage, number=1, size=1000, **filters):
    with storage.read() as session:
        found = registry_sessions.list_page(session, number, size, Filters(**filters))
    return [one.session_id for one in found.sessions], [one.field for one in found.unreadable], found.total


def walk(storage, size, **filters):
    """Every session of a listing, page by page, as far as its total says."""
    names, number = [], 1
    while (number - 1) * size < page(storage, number, size, **filters)[2]:
        names += page(storage, number, size, **filters)[0]
        number += 1
    return names


def counts(storage):
    with storage.read() as session:
        rows = session.execute(select(SessionBlock.status, func.sum(SessionBlock.sessions)).group_by(text("1")))
        return {status: int(number) for status, number in rows if number}


@pytest.mark.parametrize("which", ["session_id = 's2'", "session_id IN ('s1', 's2', 's8')", "true"])
@pytest.mark.parametrize("sql", CHANGES)
def test_what_was_changed_by_hand_is_listed_as_if_it_had_been_counted(filled, sql, which):
    change(filled, sql, which)
    assert Recounting(filled).run() == 0
    with filled.read() as session:
        rows = session.execute(text("SELECT session_id, status FROM sessions ORDER BY number")).all()
    for status in SessionStatus:
        wanted = [name for name, has in rows if has == status]
        unknown = [name for name, has in rows if has not in set(SessionStatus)]
        for size in (1, 2, 5, 1000):
            assert walk(filled, size, status=status) == wanted
        before = datetime(2029, 1, 1, tzinfo=UTC)
        assert page(filled, status=status)[1:] == (["status"] * len(unknown), len(wanted) + len(unknown))
        assert len(page(filled, status=status, started_before=before)[0]) <= len(wanted)
    for size in (1, 2, 5, 1000):
        assert walk(filled, size) == [name for name, has in rows if has in set(SessionStatus)]
    late = datetime(2031, 1, 1, tzinfo=UTC)
    for filters in ({"started_before": late}, {"ended_before": late}):
        assert page(filled, **filters)[2] == len(rows)


def test_counts_that_are_right_are_not_written(filled, monkeypatch):
    monkeypatch.setattr(filled, "write", None)
    before = counts(filled)
    Recounting(filled).run()
    assert counts(filled) == before


def test_it_goes_on_from_block_to_block_and_begins_again(filled, monkeypatch):
    monkeypatch.setattr(recounting, "BLOCKS", 1)
    with filled.read() as session:
        last = session.scalar(text("SELECT max(number) FROM sessions")) // 1024
    change(filled, "status = 'failed'")
    some = Recounting(filled)
    for _ in range(last + 1):
        assert counts(filled) != {"failed": 12}
        some.run()
    assert counts(filled) == {"failed": 12}
    change(filled, "status = 'active'", "session_id = 's0'")
    some.run()
    assert counts(filled) == {"active": 1, "failed": 11}


def test_a_block_whose_sessions_somebody_deleted_counts_none(filled):
    filled.write(lambda session: session.execute(text("DELETE FROM sessions")))
    Recounting(filled).run()
    assert counts(filled) == {}


def test_a_session_whose_time_is_none_stops_no_recount(filled):
    with filled.read() as session:
        wrong = "'canary'" if session.get_bind().dialect.name == "sqlite" else "'infinity'"
    change(filled, f"started_at = {wrong}, status = 'failed'", "session_id = 's0'")
    Recounting(filled).run()
    assert counts(filled) == {"active": 5, "completed": 6, "failed": 1}
    assert page(filled, status=SessionStatus.FAILED)[1:] == (["started_at"], 1)
