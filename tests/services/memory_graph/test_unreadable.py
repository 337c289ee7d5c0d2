"""A session whose row no message can hold: it is listed with what is left of it, and hides no other."""

import json

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from memory_graph_workers.services.database.engines import migration_engine
from sqlalchemy import text
from support.graph_channel import GRAPH_KEY, graph_channel

BEARER = (("authorization", f"Bearer {GRAPH_KEY}"),)
LIST = "/llm.memory.graph.v1.MemoryGraphService/ListSessions"
DETAILS = [
    "details = '{'", "details = ''", "details = '[]'", "details = 'null'", "details = '7'", "details = '\"canary\"'",
    "details = '{\"canary\": 7}'", "details = '{\"canary\": null}'", "details = '{\"k\": \"v\", \"canary\": []}'",
    "details = '{\"canary\": \"\\ud800\"}'",
]  # fmt: skip
TIMES = {
    "sqlite": ["created_at = 'canary'", "created_at = 7", "updated_at = x'ff'"],
    "postgresql": ["created_at = 'infinity'", "updated_at = '12026-01-01'", "created_at = '2026-01-01 BC'"],
}


@pytest.fixture(scope="module")
def service(start):
    return start("memory-graph")


@pytest.fixture(scope="module")
def stub(service):
    with graph_channel(service.port) as channel:
        yield MemoryGraphServiceStub(channel)


@pytest.fixture
def sessions(stub):
    return [stub.CreateSession(pb.CreateSessionRequest(metadata={"k": name})) for name in "abc"]


def run(service, statement, **values):
    url = service.database_url.replace("postgresql://", "postgresql+psycopg://")
    with migration_engine(url, "memory_graph").begin() as connection:
        return connection.execute(text(statement), values)


def listed(stub, sessions):
    page = stub.ListSessions(pb.ListSessionsRequest(limit=1000))
    return page.sessions[-3:]


def told_of(service, session_id):
    lines = [json.loads(line) for line in service.logged().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "unreadable session" and line.get("session_id") == session_id]


@pytest.mark.parametrize("change", DETAILS)
def test_a_session_whose_metadata_cannot_be_read_is_listed_without_it(service, stub, sessions, change):
    broken = sessions[1]
    run(service, f"UPDATE sessions SET {change.replace(':', chr(92) + ':')} WHERE session_id = :id", id=broken.id)
    for _ in range(3):
        found = listed(stub, sessions)
        assert [one.id for one in found] == [one.id for one in sessions]
        assert [dict(one.metadata) for one in found] == [{"k": "a"}, {}, {"k": "c"}]
        assert (found[1].created_at, found[1].is_active) == (broken.created_at, True)
    [line] = told_of(service, broken.id)
    assert line["columns"] == ["details"]
    assert "repair its row" in line["reason"]
    assert "canary" not in service.logged()


def test_a_session_whose_times_cannot_be_read_is_listed_without_them(service, stub, sessions):
    for change in TIMES[service.database_url.partition(":")[0]]:
        broken = stub.CreateSession(pb.CreateSessionRequest(metadata={"k": "t"}))
        run(service, f"UPDATE sessions SET {change} WHERE session_id = :id", id=broken.id)
        found = listed(stub, sessions)[-1]
        column = change.split()[0]
        assert (found.id, dict(found.metadata), getattr(found, column)) == (broken.id, {"k": "t"}, Timestamp())
        assert [line["columns"] for line in told_of(service, broken.id)] == [[column]]


@pytest.mark.parametrize("change", DETAILS[:6])
def test_the_session_itself_fails_and_says_what_to_do(service, stub, sessions, change):
    run(service, f"UPDATE sessions SET {change} WHERE session_id = :id", id=sessions[0].id)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetSession(pb.GetSessionRequest(session_id=sessions[0].id))
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS
    assert "details" in caught.value.details()
    assert "delete the session" in caught.value.details()
    assert stub.GetSession(pb.GetSessionRequest(session_id=sessions[1].id)).metadata["k"] == "b"
    stub.DeleteSession(pb.DeleteSessionRequest(session_id=sessions[0].id))
    assert sessions[0].id not in [one.id for one in listed(stub, sessions)]


@pytest.mark.parametrize("message", [b"\x08\xe8\x07", b"\x08\xe8\x07\x10\x00", b"\x10\x00\x08\x01\x08\xe8\x07"])
def test_the_page_can_be_read_as_bytes(service, stub, sessions, message):
    run(service, "UPDATE sessions SET details = '[' WHERE session_id = :id", id=sessions[2].id)
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        page = channel.unary_unary(LIST)(message, metadata=BEARER)
    assert sessions[2].id.encode() in page
    assert pb.ListSessionsResponse.FromString(page).sessions[-1].id == sessions[2].id
