"""The services behind a PgBouncer that lends a session of the server for each transaction, by the address alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage, is_outage
from memory_graph_workers.services.databases import DATABASES
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry.records import Base
from memory_graph_workers.services.registry.usage import Counter, Sent
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support import forked
from support.graph_channel import graph_channel
from support.poolers import SESSIONS, pgbouncer
from support.round_trips import round_trips

on_postgresql = pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EACH_SEES = {
    "search_path": "registry",
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "1min",
    "TimeZone": "UTC",
}
SETTINGS = "SELECT pg_backend_pid(), " + ", ".join(f"current_setting('{name}')" for name in EACH_SEES)
LEFT_BEHIND = (
    "SELECT count(*) FROM pg_prepared_statements UNION ALL SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
)
CLIENTS, TALKS = 12, 36
ENDED = "2026-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def pooler(postgres):
    with pgbouncer(postgres) as running:
        yield running


@pytest.fixture(scope="module")
def migrated(pooler):
    """The address of a database for all services, made by `mgw migrate` through the pooler."""
    environ = {"PATH": "/usr/bin:/bin", "DATABASE_URL": pooler.new_database()}
    made = forked.mgw("migrate", "--json", environ=environ)
    assert [one["service"] for one in json.loads(made.stdout)["services"]] == list(DATABASES)
    assert forked.mgw("migrate", "--check", environ=environ).returncode == 0, made.stdout
    return environ["DATABASE_URL"]


@pytest.fixture
def storage(pooler):
    with closing(Storage(DatabaseUrl().deserialize(pooler.new_database()), Base, threads=4)) as made:
        made.create()
        made.write(lambda session: registry_sessions.register(session, SessionRegistration("s", "m"), NOW))
        yield made


def direct(pooler, url):
    """The same database without the pooler."""
    return pooler.server.url(url.rpartition("/")[2])


def shown(url, statement):
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        return connection.execute(statement).fetchall()


def test_each_service_has_its_tables_in_its_schema(pooler, migrated):
    tables = "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname !~ '^(pg_|information)' ORDER BY 1"
    assert shown(direct(pooler, migrated), tables) == [("memory_graph",), ("registry",), ("vault",)]


@on_postgresql
def test_many_clients_share_few_sessions_and_each_call_has_its_effect_once(pooler, migrated, start):
    registry, vault, graph = (start(name, migrated) for name in DATABASES)
    policy_id = str(uuid4())
    terms = {"name": "p", "retention_days": 400, "compliance_level": "standard"}
    assert vault.post("/api/v1/policies", {"policy_id": policy_id, **terms}).status == 201

    def talk(number):
        session_id = f"s-{number}"
        one = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 2}
        registered = registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": "m"})
        single = [registry.post("/api/v1/usage", one, Idempotency_Key=f"{number}-single") for _ in range(2)]
        many = registry.post("/api/v1/usage/batch", [{**one, "idempotency_key": f"{number}-{n}"} for n in range(5)])
        ended = registry.put("/api/v1/sessions/status", [{"session_id": session_id, "status": "completed"}])
        with graph_channel(graph.port) as channel:
            stub = MemoryGraphServiceStub(channel)
            opened = stub.CreateSession(pb.CreateSessionRequest())
            stub.AddPrompt(pb.AddPromptRequest(session_id=opened.id, content="Hello"))
            nodes = stub.Query(pb.QueryRequest(session_id=opened.id)).total_count
        entry = {"id": f"a-{number}", "session_id": session_id, "data": {"said": number}, "retention_days": 1}
        stored = vault.post("/api/v1/archive/batch", [{**entry, "policy_id": policy_id}])
        placed = vault.put(f"/api/v1/archive/a-{number}/policy", {"policy_id": policy_id})
        listed = registry.get("/api/v1/sessions?status=completed").status
        answers = (registered, *single, many, ended, stored, placed)
        return [one.status for one in answers], nodes, listed, vault.get(f"/api/v1/archive/a-{number}").json["data"]

    with ThreadPoolExecutor(CLIENTS) as pool:
        talks = list(pool.map(talk, range(TALKS)))
    statuses = [201, 201, 201, 200, 200, 200, 204]
    assert talks == [(statuses, 1, 200, {"said": number}) for number in range(TALKS)]
    assert registry.get("/api/v1/sessions?status=completed").json["total"] == TALKS
    assert registry.get("/api/v1/models/m/usage").json["total_prompts"] == TALKS * 6
    sessions = shown(direct(pooler, migrated), "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    assert len(sessions) == SESSIONS + 1  # and the one that asks


def test_nothing_of_a_service_stays_in_a_session_that_it_was_lent(pooler, storage):
    def work(number):
        way = (storage.read_at_once, storage.write_at_once)[number % 2]
        (found,) = way(lambda run: run(SETTINGS, ()))
        return [tuple(found), *(storage.write(lambda session: session.execute(text(SETTINGS)).all()))]

    with ThreadPoolExecutor(4) as pool:
        found = [tuple(row) for rows in pool.map(work, range(40)) for row in rows]
    assert {row[1:] for row in found} == {tuple(EACH_SEES.values())}
    url = pooler.url(storage._engine.url.database)
    usual = shown(direct(pooler, url), SETTINGS)[0][1:]
    others = [shown(url, SETTINGS)[0] for _ in range(3 * SESSIONS)]
    assert {row[0] for row in others} == {row[0] for row in found}  # the very sessions that the service had
    assert {row[1:] for row in others} == {usual}
    assert {tuple(shown(url, LEFT_BEHIND)) for _ in range(2 * SESSIONS)} == {((0,), (0,))}


@pytest.mark.parametrize("many", [1, 100])
def test_reports_take_one_round_trip(storage, many):
    counter = Counter(storage, None, lambda: NOW)
    report = UsageReport("s", 1, 1, total_tokens=2)
    counter.track([Sent(report, {}, "first")])  # the connection is made
    with round_trips(storage) as trips:
        counter.track([Sent(report, {}, f"k{n}") for n in range(many)])
    assert len(trips) == 1


def test_an_error_is_the_databases_own_and_a_lost_session_is_an_outage(storage):
    def fails(statement):
        failures = []
        for work in (
            lambda: storage.write_at_once(lambda run: run(statement, ())),
            lambda: storage.write(lambda session: session.execute(text(statement))),
        ):
            with pytest.raises(DBAPIError) as failed:
                work()
            failures.append((failed.value.orig.sqlstate, is_outage(failed.value)))
            assert storage.read_at_once(lambda run: [tuple(row) for row in run("SELECT 1", ())]) == [(1,)]
        return failures

    assert fails("SELECT nothing FROM sessions") == [("42703", False)] * 2
    assert {lost for _, lost in fails("SELECT pg_terminate_backend(pg_backend_pid())")} == {True}
