"""The graph's client: what failures become, and what is tried again."""

import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.clients.breaker import Breaker
from memory_graph_workers.clients.config import MemoryGraphConfig, RetryPolicy
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    CircuitBreakerOpen,
    ConnectionError,
    IntegrationError,
    Refused,
    ResponseTooLarge,
    SerializationError,
    ServiceUnavailable,
    Timeout,
)
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import (
    add_MemoryGraphServiceServicer_to_server,
)
from support.fakes.graph import ADDS, CALLS, CANARY, QUICK, READS, TOOL, Graph
from support.waiting import SOON_SECS


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (grpc.StatusCode.UNAVAILABLE, ConnectionError, 14),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Timeout, 4),
        (grpc.StatusCode.UNIMPLEMENTED, Refused, 12),
        (grpc.StatusCode.NOT_FOUND, Refused, 5),
        (grpc.StatusCode.INVALID_ARGUMENT, Refused, 3),
        (grpc.StatusCode.UNAUTHENTICATED, AuthenticationError, 16),
        (grpc.StatusCode.PERMISSION_DENIED, AuthenticationError, 7),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServiceUnavailable, 8),
        (grpc.StatusCode.INTERNAL, ServiceUnavailable, 13),
        (grpc.StatusCode.UNKNOWN, ServiceUnavailable, 2),
    ],
)
@pytest.mark.parametrize("name", ["GetSession", "AddPrompt", "StreamQuery"])
def test_a_status_becomes_the_matching_error_without_the_servers_text(
    graph: Graph, client: MemoryGraphClient, name: str, code: grpc.StatusCode, kind: type[Exception], status: int
) -> None:
    graph.codes = [code] * 3
    with pytest.raises(kind) as caught:
        CALLS[name][0](client)
    error = caught.value
    assert isinstance(error, IntegrationError)
    assert (type(error), error.service, error.operation, error.status) == (kind, "memory_graph", name, status)
    assert error.request_id
    assert CANARY not in f"{error!s} {error!r} {error.args}"


def test_no_traceback_carries_the_servers_text(graph: Graph, client: MemoryGraphClient) -> None:
    graph.codes = [grpc.StatusCode.INVALID_ARGUMENT] * 2
    for name in ("AddPrompt", "StreamQuery"):
        with pytest.raises(Refused) as caught:
            CALLS[name][0](client)
        assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", READS)
def test_reads_are_tried_three_times(graph: Graph, client: MemoryGraphClient, name: str) -> None:
    graph.codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
    CALLS[name][0](client)
    assert len(graph.asked) == 3


@pytest.mark.parametrize("name", ADDS)
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL], ids=str)
def test_what_adds_is_never_repeated(graph: Graph, client: MemoryGraphClient, name: str, code: grpc.StatusCode) -> None:
    graph.codes = [code]
    with pytest.raises((ConnectionError, ServiceUnavailable)):
        CALLS[name][0](client)
    assert len(graph.asked) == 1


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED], ids=str)
def test_a_refusal_is_not_tried_again(graph: Graph, client: MemoryGraphClient, code: grpc.StatusCode) -> None:
    graph.codes = [code] * 3
    with pytest.raises(Refused):
        client.query(pb.QueryRequest())
    assert len(graph.asked) == 1


def test_a_slow_graph_is_a_timeout_within_the_deadline(graph: Graph) -> None:
    graph.pause_secs, started = 12, time.monotonic()
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", timeout_secs=0.3)
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1)) as client, pytest.raises(Timeout):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS


def test_nobody_listening_is_a_connection_error() -> None:
    config = MemoryGraphConfig("grpc://127.0.0.1:1", timeout_secs=2)
    with MemoryGraphClient(config, retry_policy=QUICK) as client, pytest.raises(ConnectionError):
        client.health_check()


def test_a_graph_that_was_away_for_long_is_found_again_within_a_second() -> None:
    def served(port: int) -> tuple[grpc.Server, int]:
        server = grpc.server(ThreadPoolExecutor(1))
        add_MemoryGraphServiceServicer_to_server(Graph(), server)  # type: ignore[no-untyped-call]
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server, bound

    first, port = served(0)
    with MemoryGraphClient(MemoryGraphConfig(f"grpc://127.0.0.1:{port}"), retry_policy=ONCE) as client:
        client.health_check()
        first.stop(0).wait()
        away = time.monotonic() + 5
        while time.monotonic() < away:  # each refusal doubles gRPC's wait, up to the longest
            with pytest.raises((ConnectionError, CircuitBreakerOpen)):
                client.health_check()
            time.sleep(0.2)
        again, _ = served(port)
        time.sleep(1)
        assert client._stub.Health(Empty()).status == pb.HealthResponse.SERVING  # pyright: ignore[reportPrivateUsage]
        again.stop(0).wait()


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE], ids=str)
@pytest.mark.parametrize(
    "details",
    [
        "SERVER: Sent message larger than max (70000000 vs. 67108864)",
        "grpc: received message larger than max (70000000 vs. 67108864)",
        "gRPC message exceeds maximum size 67108864: 70000000",
        "Error, encoded message length too large: found 70000000 bytes, the limit is: 67108864 bytes",
    ],
)
def test_a_response_that_any_side_found_too_large_is_no_outage(
    graph: Graph, client: MemoryGraphClient, code: grpc.StatusCode, details: str
) -> None:
    graph.codes, graph.details = [code], details
    with pytest.raises(ResponseTooLarge, match="the response is over 64 MiB"):
        client.query(pb.QueryRequest(session_id="s"))
    assert len(graph.asked) == 1


@pytest.mark.parametrize("call", ["prompt", "response", "tool"])
def test_a_request_over_64_mib_is_said_to_be_one(graph: Graph, client: MemoryGraphClient, call: str) -> None:
    text = "x" * (64 * 2**20)
    tool = pb.ToolInvocationNode(response_id="r", tool_name="t", result=text)
    calls: dict[str, Callable[[], Any]] = {
        "prompt": lambda: client.add_prompt("s", text),
        "response": lambda: client.add_response("p", text),
        "tool": lambda: client.add_tool_invocation(tool),
    }
    with pytest.raises(Refused, match="the request is over 64 MiB"):
        calls[call]()
    assert graph.asked == []


def test_a_request_that_is_larger_than_a_foreign_service_accepts_is_refused(
    graph: Graph, client: MemoryGraphClient
) -> None:
    """This one has gRPC's own limit of 4 MiB."""
    with pytest.raises(Refused, match="the request is larger than the service accepts"):
        client.add_prompt("s", "x" * (5 * 2**20))


def test_a_graph_that_does_not_serve_is_unavailable(graph: Graph, client: MemoryGraphClient) -> None:
    graph.status = pb.HealthResponse.NOT_SERVING
    with pytest.raises(ServiceUnavailable):
        client.health_check()


def test_five_failures_open_the_breaker_and_the_error_says_for_which_call(graph: Graph) -> None:
    graph.codes = [grpc.StatusCode.INTERNAL] * 9
    breaker = Breaker("memory_graph")
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}")
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1), breaker=breaker) as client:
        for number in range(6):
            with pytest.raises(IntegrationError) as caught:
                client.get_session(f"s-{number}")
    assert breaker.state == "open"
    assert (caught.value.service, caught.value.operation) == ("memory_graph", "GetSession")
    assert len(graph.asked) == 5


OTHERS: dict[str, tuple[Any, Callable[[MemoryGraphClient], Any]]] = {
    "GetSession": (pb.Session(id="other"), lambda client: client.get_session("s")),
    "AddPrompt": (pb.PromptNode(session_id="other"), lambda client: client.add_prompt("s", "text")),
    "AddResponse": (pb.ResponseNode(prompt_id="other"), lambda client: client.add_response("p", "text")),
    "AddToolInvocation": (
        pb.ToolInvocationNode(id="t-1", response_id="other"),
        lambda client: client.add_tool_invocation(TOOL),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_response_about_another_id_is_an_error(graph: Graph, client: MemoryGraphClient, name: str) -> None:
    graph.others[name], call = OTHERS[name]
    with pytest.raises(SerializationError, match="another") as caught:
        call(client)
    assert (caught.value.service, caught.value.operation) == ("memory_graph", name)


def test_a_tool_invocation_under_another_id_than_its_caller_chose_is_an_error(
    graph: Graph, client: MemoryGraphClient
) -> None:
    graph.others["AddToolInvocation"] = pb.ToolInvocationNode(id="t-2", response_id="r-1")
    with pytest.raises(SerializationError, match="another id"):
        client.add_tool_invocation(TOOL)
    assert client.add_tool_invocation(pb.ToolInvocationNode(response_id="r-1", tool_name="search")).id == "t-2"


@pytest.mark.parametrize("name", ["Query", "StreamQuery"])
def test_a_message_that_cannot_be_decoded_is_the_services_fault_and_no_outage(name: str) -> None:
    """Of a stream, what came before it is given."""
    broken, server = b"\xff\xff", grpc.server(ThreadPoolExecutor(4))
    good = pb.Node(id="n-0").SerializeToString()
    handlers = {
        "Query": grpc.unary_unary_rpc_method_handler(lambda request, context: broken),
        "StreamQuery": grpc.unary_stream_rpc_method_handler(lambda request, context: iter([good, broken])),
    }
    path = "llm.memory.graph.v1.MemoryGraphService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(path, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    breaker, found = Breaker("memory_graph"), list[pb.Node]()
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{port}")
    with MemoryGraphClient(config, retry_policy=QUICK, breaker=breaker) as client:
        for number in range(6):
            request = pb.QueryRequest(session_id=f"s-{number}")
            with pytest.raises(SerializationError, match="decoded"):
                found.extend(client.query(request).nodes if name == "Query" else client.stream_query(request))
    assert breaker.state == "closed"
    assert {node.id for node in found} <= {"n-0"}
    server.stop(0).wait()


def test_one_session_that_always_fails_never_opens_the_breaker(graph: Graph) -> None:
    graph.codes = [grpc.StatusCode.INTERNAL] * 9
    breaker = Breaker("memory_graph")
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}")
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1), breaker=breaker) as client:
        for offset in range(9):
            with pytest.raises(ServiceUnavailable):
                client.query(pb.QueryRequest(session_id="s", offset=offset))
    assert breaker.state == "closed"
