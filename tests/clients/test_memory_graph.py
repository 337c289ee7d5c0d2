"""The graph's client against a small gRPC server."""
# ruff: noqa: N802  the generated code names the methods

import logging
import time
import traceback
from collections.abc import Callable, Iterator
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
    SerializationError,
    ServiceUnavailable,
    Timeout,
)
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import (
    MemoryGraphServiceServicer,
    add_MemoryGraphServiceServicer_to_server,
)
from support.waiting import SOON_SECS

CANARY = "canary-of-the-graph"
QUICK = RetryPolicy(initial_delay_secs=0.01)


class Graph(MemoryGraphServiceServicer):
    """Keeps nodes in a list, records what it is asked, and fails with the `codes` given, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.keys: dict[str, Any] = {}
        self.codes: list[grpc.StatusCode] = []
        self.pause_secs = 0.0
        self.nodes: list[pb.Node] = []
        self.status = pb.HealthResponse.SERVING
        self.port = 0

    def _record(self, name: str, request: Any, context: grpc.ServicerContext) -> None:
        self.asked.append((name, request))
        self.keys[name] = dict(context.invocation_metadata()).get("authorization")
        time.sleep(self.pause_secs)
        if self.codes:
            context.abort(self.codes.pop(0), f"details with {CANARY}")

    def CreateSession(self, request: Any, context: Any) -> pb.Session:
        self._record("CreateSession", request, context)
        return pb.Session(id="s-1", metadata=request.metadata, is_active=True)

    def GetSession(self, request: Any, context: Any) -> pb.Session:
        self._record("GetSession", request, context)
        return pb.Session(id=request.session_id)

    def ListSessions(self, request: Any, context: Any) -> pb.ListSessionsResponse:
        self._record("ListSessions", request, context)
        return pb.ListSessionsResponse(sessions=[pb.Session(id="s-1")], total_count=1)

    def AddPrompt(self, request: Any, context: Any) -> pb.PromptNode:
        self._record("AddPrompt", request, context)
        return pb.PromptNode(id="p-1", session_id=request.session_id, content=request.content)

    def AddResponse(self, request: Any, context: Any) -> pb.ResponseNode:
        self._record("AddResponse", request, context)
        return pb.ResponseNode(id="r-1", prompt_id=request.prompt_id, token_usage=request.token_usage)

    def AddToolInvocation(self, request: Any, context: Any) -> pb.ToolInvocationNode:
        self._record("AddToolInvocation", request, context)
        return request.tool_invocation

    def Query(self, request: Any, context: Any) -> pb.QueryResponse:
        self._record("Query", request, context)
        page = self.nodes[request.offset : request.offset + request.limit]
        return pb.QueryResponse(nodes=page, total_count=len(self.nodes))

    def StreamQuery(self, request: Any, context: Any) -> Iterator[pb.Node]:
        self.asked.append(("StreamQuery", request))
        self.keys["StreamQuery"] = dict(context.invocation_metadata()).get("authorization")
        yield from self.nodes
        if self.codes:
            context.abort(self.codes.pop(0), f"details with {CANARY}")

    def Health(self, request: Any, context: Any) -> pb.HealthResponse:
        self._record("Health", request, context)
        return pb.HealthResponse(status=self.status, version="1.2", uptime_seconds=5)


@pytest.fixture
def graph() -> Iterator[Graph]:
    servicer, server = Graph(), grpc.server(ThreadPoolExecutor(4))
    add_MemoryGraphServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    servicer.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer
    server.stop(0).wait()


@pytest.fixture
def client(graph: Graph) -> Iterator[MemoryGraphClient]:
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", timeout_secs=30)
    with MemoryGraphClient(config, retry_policy=QUICK) as made:
        yield made


TOOL = pb.ToolInvocationNode(id="t-1", response_id="r-1", tool_name="search", parameters='{"q": 1}', status="success")
CALLS: dict[str, tuple[Callable[[MemoryGraphClient], Any], Any, Any]] = {
    "CreateSession": (
        lambda client: client.create_session({"user": "u"}),
        pb.CreateSessionRequest(metadata={"user": "u"}),
        pb.Session(id="s-1", metadata={"user": "u"}, is_active=True),
    ),
    "GetSession": (
        lambda client: client.get_session("s/1"),
        pb.GetSessionRequest(session_id="s/1"),
        pb.Session(id="s/1"),
    ),
    "ListSessions": (
        lambda client: client.list_sessions(10, 20),
        pb.ListSessionsRequest(limit=10, offset=20),
        pb.ListSessionsResponse(sessions=[pb.Session(id="s-1")], total_count=1),
    ),
    "AddPrompt": (
        lambda client: client.add_prompt("s-1", "Grüße 🌍", pb.PromptMetadata(model="gpt-4", temperature=0.5)),
        pb.AddPromptRequest(
            session_id="s-1", content="Grüße 🌍", metadata=pb.PromptMetadata(model="gpt-4", temperature=0.5)
        ),
        pb.PromptNode(id="p-1", session_id="s-1", content="Grüße 🌍"),
    ),
    "AddResponse": (
        lambda client: client.add_response("p-1", "text", pb.TokenUsage(prompt_tokens=1, total_tokens=1)),
        pb.AddResponseRequest(
            prompt_id="p-1", content="text", token_usage=pb.TokenUsage(prompt_tokens=1, total_tokens=1)
        ),
        pb.ResponseNode(id="r-1", prompt_id="p-1", token_usage=pb.TokenUsage(prompt_tokens=1, total_tokens=1)),
    ),
    "AddToolInvocation": (
        lambda client: client.add_tool_invocation(TOOL),
        pb.AddToolInvocationRequest(tool_invocation=TOOL),
        TOOL,
    ),
    "Query": (
        lambda client: client.query(pb.QueryRequest(session_id="s-1", limit=5)),
        pb.QueryRequest(session_id="s-1", limit=5),
        pb.QueryResponse(),
    ),
    "StreamQuery": (
        lambda client: list(client.stream_query(pb.QueryRequest(session_id="s-1"))),
        pb.QueryRequest(session_id="s-1"),
        [],
    ),
    "Health": (
        lambda client: client.health_check(),
        Empty(),
        pb.HealthResponse(status=pb.HealthResponse.SERVING, version="1.2", uptime_seconds=5),
    ),
}
READS = [name for name in CALLS if not name.startswith(("Add", "Create", "Stream"))]
ADDS = [name for name in CALLS if name.startswith(("Add", "Create"))]


@pytest.mark.parametrize("name", CALLS)
def test_each_operation_sends_and_returns_what_the_contract_says(
    graph: Graph, client: MemoryGraphClient, name: str
) -> None:
    call, sent, answered = CALLS[name]
    assert call(client) == answered
    assert graph.asked == [(name, sent)]


def test_the_wire_is_the_published_one() -> None:
    """Bytes written by hand from the published field numbers."""
    tool = b"\x0a\x01t\x12\x01r\x1a\x01n\x22\x02{}\x2a\x02ok\x32\x01v\x40\x07\x48\x02"
    wanted = pb.ToolInvocationNode(
        id="t", response_id="r", tool_name="n", parameters="{}", status="ok", result="v", duration_ms=7, retry_count=2
    )
    assert pb.ToolInvocationNode.FromString(tool) == wanted
    node = b"\x0a\x01n\x10\x02\x52\x08\x0a\x01p\x1a\x03abc"
    assert pb.Node.FromString(node).prompt.content == "abc"
    agent = b"\x0a\x01n\x10\x05\x6a\x02\x0a\x00"
    assert pb.Node.FromString(agent).WhichOneof("node_data") is None


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


def test_an_answer_over_64_mib_is_an_error_and_not_tried_again(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes = [pb.Node(id="n", prompt=pb.PromptNode(content="x" * (65 * 2**20)))]
    with pytest.raises(SerializationError, match="64 MiB"):
        client.query(pb.QueryRequest(limit=1))
    assert len(graph.asked) == 1


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_all_nodes_of_a_session_come_in_order_page_by_page(graph: Graph, client: MemoryGraphClient, count: int) -> None:
    graph.nodes = [pb.Node(id=f"n-{number}") for number in range(count)]
    assert [node.id for node in client.iter_nodes("s-1", 2)] == [f"n-{number}" for number in range(count)]
    assert {request.session_id for _, request in graph.asked} == {"s-1"}
    assert len(graph.asked) == max(1, (count + 1) // 2)


def test_nodes_are_counted_without_being_fetched(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes = [pb.Node(id=str(number)) for number in range(7)]
    assert client.count_nodes("s-1") == 7
    assert graph.asked[0][1].limit == 1


def test_a_stream_gives_what_came_before_it_broke(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes, graph.codes = [pb.Node(id="n-0"), pb.Node(id="n-1")], [grpc.StatusCode.INTERNAL]
    stream = client.stream_query(pb.QueryRequest(session_id="s"))
    assert [next(stream).id, next(stream).id] == ["n-0", "n-1"]
    with pytest.raises(ServiceUnavailable):
        next(stream)


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
    "Query": (
        pb.QueryResponse(nodes=[pb.Node(prompt=pb.PromptNode(session_id="other"))], total_count=1),
        lambda client: list(client.iter_nodes("s")),
    ),
}


@pytest.mark.parametrize(("found", "call"), OTHERS.values(), ids=list(OTHERS))
def test_a_response_about_another_id_is_an_error(
    client: MemoryGraphClient, monkeypatch: pytest.MonkeyPatch, found: Any, call: Callable[[MemoryGraphClient], Any]
) -> None:
    monkeypatch.setattr(client, "_attempt", lambda *_: found)
    with pytest.raises(SerializationError, match="another"):
        call(client)


def test_one_session_that_always_fails_never_opens_the_breaker(graph: Graph) -> None:
    graph.codes = [grpc.StatusCode.INTERNAL] * 9
    breaker = Breaker("memory_graph")
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}")
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1), breaker=breaker) as client:
        for offset in range(9):
            with pytest.raises(ServiceUnavailable):
                client.query(pb.QueryRequest(session_id="s", offset=offset))
    assert breaker.state == "closed"


def test_sixteen_threads_share_a_client(graph: Graph, client: MemoryGraphClient) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(client.get_session, map(str, range(16))))
    assert sorted(session.id for session in found) == sorted(map(str, range(16)))


@pytest.mark.parametrize(("key", "sent"), [("k-1", "Bearer k-1"), (None, None)])
def test_every_call_but_health_shows_the_key(graph: Graph, key: str | None, sent: str | None) -> None:
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", api_key=key)
    with MemoryGraphClient(config, retry_policy=ONCE) as client:
        for call, _, _ in CALLS.values():
            call(client)
        list(client.stream_query(pb.QueryRequest()))
        client.health_check()
    assert graph.keys == dict.fromkeys([*CALLS, "StreamQuery"], sent) | {"Health": None}


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED], ids=str)
def test_a_refused_key_says_which_setting_holds_it(graph: Graph, code: grpc.StatusCode) -> None:
    graph.codes = [code]
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", api_key="secret-key")
    with MemoryGraphClient(config) as client, pytest.raises(AuthenticationError, match="MEMORY_GRAPH_API_KEY") as error:
        client.get_session("s")
    assert len(graph.asked) == 1
    assert "secret-key" not in str(error.value)


@pytest.mark.parametrize("enabled", [True, False])
def test_one_line_a_request_where_logging_is_on(graph: Graph, caplog: pytest.LogCaptureFixture, enabled: bool) -> None:
    caplog.set_level(logging.INFO)
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", enable_logging=enabled)
    with MemoryGraphClient(config) as client:
        client.add_prompt("s-1", CANARY)
        graph.codes = [grpc.StatusCode.NOT_FOUND]
        with pytest.raises(Refused):
            client.get_session(CANARY)
    assert [getattr(record, "status", None) for record in caplog.records] == ([0, 5] if enabled else [])
    assert CANARY not in caplog.text
