"""Pooled connections: one that was in use a moment ago costs no round trip, and one whose server is gone no request."""

from contextlib import closing

import pytest
from memory_graph_workers.services.database import liveness
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry.records import Base
from sqlalchemy import text


@pytest.fixture
def storage(postgres):
    with closing(Storage(DatabaseUrl().deserialize(postgres.new_database()), Base, threads=2)) as made:
        yield made


@pytest.fixture
def pings(storage, monkeypatch):
    """The pings that the storage makes."""
    made, usual = [], storage._engine.dialect.do_ping
    monkeypatch.setattr(storage._engine.dialect, "do_ping", lambda one: made.append(one) or usual(one))
    return made


def read(storage):
    with storage.read() as session:
        return session.scalar(text("SELECT 1"))


def test_a_connection_in_steady_use_is_never_asked(storage, pings):
    for _ in range(5):
        assert read(storage) == 1
    assert storage.write(lambda session: session.scalar(text("SELECT 1"))) == 1
    assert pings == []


def test_a_connection_that_was_idle_for_a_while_is_asked_once(storage, pings, monkeypatch):
    read(storage)
    with monkeypatch.context() as later:
        later.setattr(liveness, "_TRUSTED_SECS", 0)
        read(storage)
    read(storage)
    assert len(pings) == 1


@pytest.mark.parametrize("trusted_secs", [0, 3600])
def test_a_restarted_database_costs_no_request_however_short_the_pause(
    storage, postgres, pings, monkeypatch, trusted_secs
):
    monkeypatch.setattr(liveness, "_TRUSTED_SECS", trusted_secs)
    with storage.read() as one, storage.read() as other:  # two connections
        assert one.scalar(text("SELECT 1")) == other.scalar(text("SELECT 1")) == 1
    postgres.stop()
    postgres.start()
    for _ in range(3):
        assert read(storage) == 1
    assert len(pings) >= 1


def test_a_connection_that_the_server_ended_costs_no_request(storage, postgres):
    with storage.read() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    postgres.run(f"SELECT pg_terminate_backend({pid}, 60000)")  # waits until it has ended, for so many milliseconds
    assert read(storage) == 1
