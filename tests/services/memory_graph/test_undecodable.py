"""Messages that cannot be decoded: each is that call's error, and takes no other call's place."""

import grpc
import pytest
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from support.graph_channel import GRAPH_KEY, graph_channel
from support.waiting import LONGEST_SECS

BEARER = (("authorization", f"Bearer {GRAPH_KEY}"),)
SERVICE = "/llm.memory.graph.v1.MemoryGraphService/"
MOST_CALLS = 256  # of one connection, and more than the service takes at a time
BROKEN = [b"\xff\xff\xff", b"\x0a\xff", b"\x0a\x02\xff\xfe"]  # no field, a length past the end, no UTF-8


@pytest.fixture(scope="module")
def service(start):
    return start("memory-graph")


def code_of(call, messages):
    with pytest.raises(grpc.RpcError) as caught:
        call(iter(messages), metadata=BEARER, timeout=LONGEST_SECS)
    return caught.value.code()


def read_whole(channel, operation):
    """A call that reads all messages of its response, whether it is one or a stream."""

    def call(messages, **options):
        return list(channel.stream_stream(SERVICE + operation)(messages, **options))

    return call


@pytest.mark.parametrize("operation", ["Query", "StreamQuery", "AddPrompt"])
def test_no_number_of_undecodable_messages_closes_the_service(service, operation):
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        call = read_whole(channel, operation)
        codes = {code_of(call, [BROKEN[n % len(BROKEN)]]) for n in range(MOST_CALLS + 50)}
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}
    with graph_channel(service.port) as channel:
        stub = MemoryGraphServiceStub(channel)
        session = stub.CreateSession(pb.CreateSessionRequest(), timeout=LONGEST_SECS)
        stub.AddPrompt(pb.AddPromptRequest(session_id=session.id, content="p"), timeout=LONGEST_SECS)
        for _ in range(20):  # more than there may be streams at a time
            nodes = list(stub.StreamQuery(pb.QueryRequest(session_id=session.id), timeout=LONGEST_SECS))
            assert [node.prompt.content for node in nodes] == ["p"]


@pytest.mark.parametrize("operation", ["Query", "StreamQuery"])
@pytest.mark.parametrize("messages", [[], [b"", BROKEN[0]], [BROKEN[0], b""]], ids=["none", "second", "first"])
def test_only_the_first_message_of_a_call_counts(service, operation, messages):
    """An empty message asks for all nodes of all sessions."""
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        call = read_whole(channel, operation)
        if messages[:1] == [b""]:
            call(iter(messages), metadata=BEARER, timeout=LONGEST_SECS)
        else:
            assert code_of(call, messages) is grpc.StatusCode.INVALID_ARGUMENT
