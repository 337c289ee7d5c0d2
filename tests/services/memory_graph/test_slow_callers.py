"""Callers that do not read, or do not send their message: nobody else waits for them."""

import time
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from memory_graph_workers.services.memory_graph.door import CallThreads, Door
from support.graph_channel import GRAPH_KEY, graph_channel
from support.waiting import LONGEST_SECS, SOON_SECS, until

BEARER = (("authorization", f"Bearer {GRAPH_KEY}"),)
SERVICE = "/llm.memory.graph.v1.MemoryGraphService/"
THREADS = 16


@pytest.fixture(scope="module")
def service(start):
    return start("memory-graph")


@pytest.fixture(scope="module")
def session(service):
    with graph_channel(service.port) as channel:
        stub = MemoryGraphServiceStub(channel)
        session = stub.CreateSession(pb.CreateSessionRequest())
        for _ in range(10):
            stub.AddPrompt(pb.AddPromptRequest(session_id=session.id, content="x" * 3_000_000))
        return session.id


@contextmanager
def unread_streams(service, session_id, count):
    """Streams, each on a connection of its own, of which only the first message is read."""
    channels = [grpc.insecure_channel(f"127.0.0.1:{service.port}", [("n", n)]) for n in range(count)]
    request = pb.QueryRequest(session_id=session_id)
    streams = [MemoryGraphServiceStub(one).StreamQuery(request, metadata=BEARER) for one in channels]
    yield streams
    for channel in channels:
        channel.close()


@contextmanager
def calls_without_message(service, operation, count, metadata):
    def never():
        time.sleep(LONGEST_SECS)
        yield b""

    channels = [grpc.insecure_channel(f"127.0.0.1:{service.port}", [("n", n)]) for n in range(count)]
    calls = [one.stream_unary(SERVICE + operation).future(never(), metadata=metadata) for one in channels]
    time.sleep(1)
    yield calls
    for call in calls:
        call.cancel()


def refused(calls):
    return sum(one.done() and one.code() is grpc.StatusCode.RESOURCE_EXHAUSTED for one in calls)


def assert_responds(service):
    began = time.monotonic()
    with graph_channel(service.port) as channel:
        stub = MemoryGraphServiceStub(channel)
        assert stub.Health(Empty(), timeout=LONGEST_SECS).status == pb.HealthResponse.SERVING
        assert stub.ListSessions(pb.ListSessionsRequest(), timeout=LONGEST_SECS).total_count >= 0
    assert time.monotonic() - began < SOON_SECS


@pytest.mark.parametrize("count", [THREADS, 3 * THREADS])
def test_streams_that_nobody_reads_leave_threads_for_others(service, session, count):
    with unread_streams(service, session, count) as streams:
        until(lambda: refused(streams) >= count - THREADS // 2)
        assert_responds(service)


@pytest.mark.parametrize("count", [THREADS, 100])
def test_health_that_gets_no_message_responds_all_the_same(service, count):
    with calls_without_message(service, "Health", count, ()) as calls:
        assert_responds(service)
        until(lambda: all(call.done() and call.code() is grpc.StatusCode.OK for call in calls))


@pytest.mark.parametrize("count", [THREADS, 100])
def test_calls_without_a_key_or_a_message_hold_nothing(service, count):
    with calls_without_message(service, "AddPrompt", count, ()) as calls:
        assert_responds(service)
        until(lambda: all(call.done() and call.code() is grpc.StatusCode.UNAUTHENTICATED for call in calls))


def test_calls_with_a_key_whose_message_does_not_come_leave_health_alone(service):
    with calls_without_message(service, "AddPrompt", 10 * THREADS, BEARER) as calls:
        with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            status = MemoryGraphServiceStub(channel).Health(Empty(), timeout=SOON_SECS).status
        assert status == pb.HealthResponse.SERVING
        until(lambda: refused(calls) == 2 * THREADS)


@pytest.mark.parametrize("operation", ["AddPrompt", "Query"])
def test_a_call_that_lasts_too_long_is_broken_off(operation):
    """Here with one second, and a thread alone: the next call gets it."""
    calls = CallThreads(1)
    server = grpc.server(calls, interceptors=[Door((), calls, call_secs=1)])
    echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE.strip("/"), {operation: echo})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        silent = channel.stream_unary(SERVICE + operation).future(iter(lambda: time.sleep(LONGEST_SECS), 0))
        with pytest.raises(grpc.RpcError) as broken:
            silent.result(LONGEST_SECS)
        assert broken.value.code() is grpc.StatusCode.CANCELLED
        assert channel.unary_unary(SERVICE + operation)(b"x", timeout=LONGEST_SECS) == b"x"
    server.stop(0)
