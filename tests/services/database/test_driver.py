"""Constant statements on the driver's connections: what they see, what becomes of errors and of a lost connection."""

from datetime import UTC, datetime

import pytest
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage, is_outage
from memory_graph_workers.services.registry import sessions
from memory_graph_workers.services.registry.records import Base, SessionRecord
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DBAPIError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = select(SessionRecord.started_at, SessionRecord.details).where(SessionRecord.session_id == bindparam("wanted"))
ADD = "INSERT INTO models (model_id, created_at, details) VALUES ('n', '2026-01-01', '{}') RETURNING model_id"


@pytest.fixture
def storage(new_database):
    made = Storage(DatabaseUrl().deserialize(new_database()), Base)
    made.create()
    made.write(lambda session: sessions.register(session, SessionRegistration("s", "m", metadata={"a": 1}), NOW))
    yield made
    made.close()


def models(storage):
    return storage.read_at_once(lambda run: [row[0] for row in run("SELECT model_id FROM models ORDER BY 1", ())])


def test_a_select_gives_the_values_that_its_columns_stand_for(storage):
    for wanted, rows in (("s", 1), ("nobody", 0)):
        found = storage.read_at_once(lambda run, wanted=wanted: run.select(STARTED, wanted=wanted))
        assert len(found) == rows
    (((started, details),),) = [storage.read_at_once(lambda run: run.select(STARTED, wanted="s"))]
    assert (started.tzinfo, details) == (UTC, {"a": 1})


def test_what_is_written_is_committed_and_a_later_transaction_begins_as_before(storage):
    assert [tuple(row) for row in storage.write_at_once(lambda run: run(ADD, ()))] == [("n",)]
    assert models(storage) == ["m", "n"]
    with pytest.raises(ZeroDivisionError):
        storage.write(lambda session: session.execute(text(ADD.replace("'n'", "'o'"))) and 1 / 0)
    assert models(storage) == ["m", "n"]


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")
def test_nothing_of_a_failed_work_is_kept(storage):
    with pytest.raises(ZeroDivisionError):
        storage.write_at_once(lambda run: run(ADD, ()) and 1 / 0)
    assert models(storage) == ["m"]


def test_an_error_of_the_work_leaves_the_connection_as_it_was(storage):
    for work in (lambda run: 1 / 0, lambda run: run("SELECT nothing FROM models", ())):
        with pytest.raises((ZeroDivisionError, DBAPIError)):
            storage.read_at_once(work)
        with pytest.raises(ZeroDivisionError):
            storage.write(lambda session: session.execute(text(ADD)) and 1 / 0)
        assert models(storage) == ["m"]


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
def test_a_connection_that_is_lost_in_a_statement_is_an_outage_and_leaves_the_pool(storage):
    with pytest.raises(DBAPIError) as lost:
        storage.read_at_once(lambda run: run("SELECT pg_terminate_backend(pg_backend_pid())", ()))
    assert (is_outage(lost.value), lost.value.connection_invalidated) == (True, True)
    assert models(storage) == ["m"]


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
def test_a_server_that_is_away_is_an_outage(storage, postgres):
    storage.close()
    postgres.stop()
    try:
        with pytest.raises(DBAPIError) as away:
            models(storage)
    finally:
        postgres.start()
    assert is_outage(away.value)
    assert models(storage) == ["m"]
