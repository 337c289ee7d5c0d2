"""A database that is stopped, or hangs, under a running service."""

import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc
import psutil
import pytest
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from sqlalchemy.engine import make_url
from support.graph_channel import graph_channel
from support.waiting import until

on_postgresql = pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
DOWN = {"status": "unhealthy", "database": "down"}
UP = {"status": "healthy", "database": "up"}


def register(registry, session_id):
    return registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": "m"})


class Writer(threading.Thread):
    """Registers one session after the other, and remembers which were acknowledged."""

    def __init__(self, registry, name):
        super().__init__()
        self.registry, self.prefix = registry, name
        self.acknowledged, self.statuses, self.is_done = [], set(), False

    def run(self):
        number = 0
        while not self.is_done:
            number += 1
            answer = register(self.registry, f"{self.prefix}-{number}")
            self.statuses.add(answer.status)
            if answer.status == 201:
                self.acknowledged.append(f"{self.prefix}-{number}")


@pytest.fixture
def paused(postgres):
    """Makes PostgreSQL hang, as a frozen disk would."""
    server = psutil.Process(postgres.pid)
    processes = [server, *server.children(recursive=True)]

    def pause():
        for process in (*server.children(recursive=True), server):
            processes.append(process)
            process.send_signal(signal.SIGSTOP)

    yield pause
    for process in set(processes):
        if process.is_running():
            process.send_signal(signal.SIGCONT)


@on_postgresql
def test_a_stopped_database_is_a_503_and_no_acknowledged_write_is_lost(start, postgres):
    registry = start("registry")
    writers = [Writer(registry, f"w{number}") for number in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: all(writer.acknowledged for writer in writers))
    postgres.stop()
    health, refused = registry.get("/health"), registry.get("/api/v1/sessions")
    postgres.start()
    counts = [len(writer.acknowledged) for writer in writers]
    until(lambda: all(len(writer.acknowledged) > count for writer, count in zip(writers, counts, strict=True)))
    for writer in writers:
        writer.is_done = True
        writer.join()
    assert (health.status, health.json, health.headers["Retry-After"]) == (503, DOWN, "1")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert set().union(*(writer.statuses for writer in writers)) == {201, 503}
    told = registry.get("/health").json
    assert {name: told[name] for name in UP} == UP
    assert told["capabilities"]["idempotency"] == {"kept_days": None}
    assert told["version"] == version("memory-graph-workers")
    for session_id in (session_id for writer in writers for session_id in writer.acknowledged):
        assert registry.get(f"/api/v1/sessions/{session_id}").status == 200


@on_postgresql
def test_a_memory_graph_says_that_its_database_is_away(start, postgres):
    service = start("memory-graph")
    with graph_channel(service.port) as channel:
        graph = MemoryGraphServiceStub(channel)
        assert graph.Health(Empty()).status == pb.HealthResponse.SERVING
        postgres.stop()
        down = graph.Health(Empty()).status
        with pytest.raises(grpc.RpcError) as refused:
            graph.ListSessions(pb.ListSessionsRequest())
        postgres.start()
        assert (down, refused.value.code()) == (pb.HealthResponse.NOT_SERVING, grpc.StatusCode.UNAVAILABLE)
        assert graph.Health(Empty()).status == pb.HealthResponse.SERVING
        assert graph.ListSessions(pb.ListSessionsRequest()).total_count == 0


@on_postgresql
def test_a_database_that_hangs_is_told_before_the_caller_gives_up(start, paused):
    registry = start("registry")
    assert register(registry, "before").status == 201
    paused()
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        written = pool.submit(register, registry, "meanwhile")
        assert (registry.get("/health").json, time.monotonic() - began < 5) == (DOWN, True)
        assert (written.result().status, time.monotonic() - began < 20) == (503, True)


def registered(service):
    return register(service, "late").status == 201


def begun(service):
    with graph_channel(service.port) as channel:
        return bool(MemoryGraphServiceStub(channel).CreateSession(pb.CreateSessionRequest(), timeout=10).id)


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")
@pytest.mark.parametrize(("name", "write"), [("registry", registered), ("memory-graph", begun)])
def test_a_request_in_hand_is_answered_before_a_service_ends(start, name, write):
    service = start(name)
    database = sqlite3.connect(make_url(service.database_url).database, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor() as pool:
        written = pool.submit(write, service)
        time.sleep(0.5)
        pool.submit(service.stop)
        time.sleep(2.5)
        database.execute("COMMIT")
        database.close()
    assert (written.result(), service.process.returncode) == (True, 0)
