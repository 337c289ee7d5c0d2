"""Who may call a Memory-Graph."""

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from support.forked import SERVICES, finished
from support.graph_channel import GRAPH_KEY, graph_channel
from support.waiting import LONGEST_SECS

CALLS = {
    "CreateSession": pb.CreateSessionRequest(),
    "GetSession": pb.GetSessionRequest(session_id="s"),
    "ListSessions": pb.ListSessionsRequest(),
    "AddPrompt": pb.AddPromptRequest(session_id="s", content="c"),
    "AddResponse": pb.AddResponseRequest(prompt_id="p", content="c"),
    "AddToolInvocation": pb.AddToolInvocationRequest(),
    "Query": pb.QueryRequest(),
    "StreamQuery": pb.QueryRequest(),
    "DeleteSession": pb.DeleteSessionRequest(session_id="s"),
}
WRONG = [
    (),
    (("authorization", ""),),
    (("authorization", "Bearer"),),
    (("authorization", "Bearer "),),
    (("authorization", "Bearer wrong"),),
    (("authorization", f"Bearer {GRAPH_KEY}x"),),
    (("authorization", f"Bearer {GRAPH_KEY[:-1]}"),),
    (("authorization", f"Basic {GRAPH_KEY}"),),
    (("authorization", GRAPH_KEY),),
    (("authorization", "Bearer another-key, Bearer wrong"),),
    (("authorization", "Bearer wrong"), ("authorization", f"Bearer {GRAPH_KEY}")),
    (("x-authorization", f"Bearer {GRAPH_KEY}"),),
]


@pytest.fixture(scope="module")
def service(start):
    return start("memory-graph")


@pytest.fixture
def open_stub(service):
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        yield MemoryGraphServiceStub(channel)


def status(call, request, metadata):
    try:
        answer = call(request, metadata=metadata, timeout=LONGEST_SECS)
        list(answer) if hasattr(answer, "__next__") else answer
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_asks_for_a_key(open_stub, operation):
    assert status(getattr(open_stub, operation), CALLS[operation], ()) == "UNAUTHENTICATED"


@pytest.mark.parametrize("metadata", WRONG)
def test_a_wrong_key_is_refused(open_stub, metadata):
    assert status(open_stub.ListSessions, CALLS["ListSessions"], metadata) == "UNAUTHENTICATED"


@pytest.mark.parametrize("given", [f"Bearer {GRAPH_KEY}", "Bearer another-key", f"bearer   {GRAPH_KEY}"])
def test_each_of_the_keys_is_accepted(open_stub, given):
    assert status(open_stub.ListSessions, CALLS["ListSessions"], (("authorization", given),)) == "OK"


def test_health_is_open(open_stub):
    assert open_stub.Health(Empty()).status == pb.HealthResponse.SERVING


def test_a_call_without_a_key_writes_nothing(open_stub, service):
    with graph_channel(service.port) as channel:
        stub = MemoryGraphServiceStub(channel)
        before = stub.ListSessions(pb.ListSessionsRequest()).total_count
        assert status(open_stub.CreateSession, CALLS["CreateSession"], ()) == "UNAUTHENTICATED"
        assert stub.ListSessions(pb.ListSessionsRequest()).total_count == before


def test_a_large_message_without_a_key_is_refused_unread(open_stub):
    request = pb.AddPromptRequest(session_id="s", content="x" * 60_000_000)
    assert status(open_stub.AddPrompt, request, ()) == "UNAUTHENTICATED"


@pytest.mark.parametrize("settings", [{}, {"MEMORY_GRAPH_KEYS": " , "}, {"MEMORY_GRAPH_ALLOW_NO_KEYS": "false"}])
def test_a_graph_without_keys_does_not_start_unless_told_so(tmp_path, settings):
    environ = {"MEMORY_GRAPH_DATABASE_URL": f"sqlite:///{tmp_path}/g.db", **settings}
    ended = finished(SERVICES, ["memory-graph"], environ)
    assert ended.returncode == 2
    assert "MEMORY_GRAPH_KEYS" in ended.stderr
    assert "MEMORY_GRAPH_ALLOW_NO_KEYS=true" in ended.stderr


def test_a_graph_that_is_told_to_be_open_takes_every_call(start):
    service = start("memory-graph", MEMORY_GRAPH_KEYS="", MEMORY_GRAPH_ALLOW_NO_KEYS="true")
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        assert MemoryGraphServiceStub(channel).ListSessions(pb.ListSessionsRequest()).total_count == 0


def test_no_key_is_in_the_log(start):
    service = start("memory-graph", MEMORY_GRAPH_KEYS="canary-right")
    for key in ("canary-right", "canary-wrong"):
        with graph_channel(service.port, key) as channel:
            status(MemoryGraphServiceStub(channel).ListSessions, CALLS["ListSessions"], ())
    service.stop()
    assert "canary" not in service.logged()
