"""The graph's client against a small gRPC server."""
# ruff: noqa: N802  the generated code names the methods

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.clients.breaker import Breaker
from memory_graph_workers.clients.config import MemoryGraphConfig, RetryPolicy
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    ChangedMeanwhile,
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
        self.others: dict[str, Any] = {}
        self.total: int | None = None
        self.ignores_offset = False
        self.changes: list[Callable[[list[pb.Node]], None]] = []
        self.details = f"details with {CANARY}"
        self.status = pb.HealthResponse.SERVING
        self.port = 0

    def _record(self, name: str, request: Any, context: grpc.ServicerContext) -> None:
        self.asked.append((name, request))
        self.keys[name] = dict(context.invocation_metadata()).get("authorization")
        time.sleep(self.pause_secs)
        if self.codes:
            context.abort(self.codes.pop(0), self.details)

    def CreateSession(self, request: Any, context: Any) -> pb.Session:
        self._record("CreateSession", request, context)
        return pb.Session(id="s-1", metadata=request.metadata, is_active=True)

    def GetSession(self, request: Any, context: Any) -> pb.Session:
        self._record("GetSession", request, context)
        return self.others.get("GetSession") or pb.Session(id=request.session_id)

    def ListSessions(self, request: Any, context: Any) -> pb.ListSessionsResponse:
        self._record("ListSessions", request, context)
        return pb.ListSessionsResponse(sessions=[pb.Session(id="s-1")], total_count=1)

    def AddPrompt(self, request: Any, context: Any) -> pb.PromptNode:
        self._record("AddPrompt", request, context)
        return self.others.get("AddPrompt") or pb.PromptNode(
            id="p-1", session_id=request.session_id, content=request.content
        )

    def AddResponse(self, request: Any, context: Any) -> pb.ResponseNode:
        self._record("AddResponse", request, context)
        return self.others.get("AddResponse") or pb.ResponseNode(
            id="r-1", prompt_id=request.prompt_id, token_usage=request.token_usage
        )

    def AddToolInvocation(self, request: Any, context: Any) -> pb.ToolInvocationNode:
        self._record("AddToolInvocation", request, context)
        return self.others.get("AddToolInvocation") or request.tool_invocation

    def Query(self, request: Any, context: Any) -> pb.QueryResponse:
        self._record("Query", request, context)
        offset = 0 if self.ignores_offset else request.offset
        total = len(self.nodes) if self.total is None else self.total
        response = pb.QueryResponse(nodes=self.nodes[offset : offset + request.limit], total_count=total)
        if self.changes:
            self.changes.pop(0)(self.nodes)
        return response

    def StreamQuery(self, request: Any, context: Any) -> Iterator[pb.Node]:
        self.asked.append(("StreamQuery", request))
        self.keys["StreamQuery"] = dict(context.invocation_metadata()).get("authorization")
        yield from self.nodes
        if self.codes:
            context.abort(self.codes.pop(0), self.details)

    def Health(self, request: Any, context: Any) -> pb.HealthResponse:
        self._record("Health", request, context)
        return pb.HealthResponse(status=self.status, version="1.2", uptime_seconds=5)


@pytest.fixture
def graph() -> Iterator[Graph]:
    servicer, server = Graph(), grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
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


def sized(session_id: str, sizes: Sequence[int]) -> list[pb.Node]:
    """Nodes of so many bytes of text."""
    prompts = [pb.PromptNode(session_id=session_id, content="x" * size) for size in sizes]
    return [pb.Node(id=f"n-{number}", prompt=prompt) for number, prompt in enumerate(prompts)]


MIB = 2**20


@pytest.mark.parametrize(
    ("sizes", "limits"),
    [
        ([1, 1, 1], [500]),
        ([7 * MIB] * 11, [500, 250, 125, 62, 31, 15, 7, 7]),
        ([50 * MIB] * 3, [500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1, 1]),
        ([1] * 20 + [40 * MIB, 40 * MIB, 1], [500, 250, 125, 62, 31, 15, 15, 7, 3, 3, 3]),
    ],
)
def test_a_page_over_64_mib_is_asked_for_in_halves_and_their_size_is_kept(
    graph: Graph, client: MemoryGraphClient, sizes: list[int], limits: list[int]
) -> None:
    graph.nodes = sized("s", sizes)
    assert [len(node.prompt.content) for node in client.iter_nodes("s")] == sizes
    assert [request.limit for _, request in graph.asked] == limits


def test_a_node_that_no_response_can_carry_is_an_error(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes = sized("s", [1, 65 * MIB, 1])
    nodes = client.iter_nodes("s", 4)
    assert next(nodes).id == "n-0"
    with pytest.raises(ResponseTooLarge, match="the response is over 64 MiB"):
        next(nodes)
    assert [request.limit for _, request in graph.asked] == [4, 2, 1, 1]


@pytest.mark.parametrize("total", [0, 1, 2, 5])
def test_a_full_page_is_followed_by_another_request_whatever_the_total_says(
    graph: Graph, client: MemoryGraphClient, total: int
) -> None:
    graph.nodes, graph.total = sized("s", [1] * 5), total
    assert len(list(client.iter_nodes("s", 2))) == 5


def test_pages_that_go_in_a_circle_are_an_error(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes, graph.ignores_offset = sized("s", [1] * 5), True
    with pytest.raises(SerializationError, match="circle"):
        list(client.iter_nodes("s", 2))


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_all_nodes_of_a_session_come_in_order_page_by_page(graph: Graph, client: MemoryGraphClient, count: int) -> None:
    graph.nodes = [pb.Node(id=f"n-{number}") for number in range(count)]
    assert [node.id for node in client.iter_nodes("s-1", 2)] == [f"n-{number}" for number in range(count)]
    assert {request.session_id for _, request in graph.asked} == {"s-1"}
    assert len(graph.asked) == count // 2 + 1


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


NODE_READS: dict[str, Callable[[MemoryGraphClient], Any]] = {
    "Query": lambda client: client.query(pb.QueryRequest(session_id="s", limit=9)),
    "StreamQuery": lambda client: list(client.stream_query(pb.QueryRequest(session_id="s"))),
    "every page": lambda client: list(client.iter_nodes("s", 1)),
    "the count": lambda client: client.count_nodes("s"),
}


@pytest.mark.parametrize("read", NODE_READS.values(), ids=list(NODE_READS))
def test_nodes_of_another_session_are_an_error(
    graph: Graph, client: MemoryGraphClient, read: Callable[[MemoryGraphClient], Any]
) -> None:
    other = pb.Node(id="n-1", prompt=pb.PromptNode(session_id="other"))
    own = pb.Node(id="n-0", prompt=pb.PromptNode(session_id="s"))
    graph.nodes = [other] if read is NODE_READS["the count"] else [own, other]
    with pytest.raises(SerializationError, match="another session_id"):
        read(client)
    graph.nodes = [own, pb.Node(id="n-2", response=pb.ResponseNode(prompt_id="n-0"))]
    read(client)


def response(node_id: str, prompt_id: str) -> pb.Node:
    return pb.Node(id=node_id, response=pb.ResponseNode(id=node_id, prompt_id=prompt_id))


def tool(node_id: str, response_id: str) -> pb.Node:
    return pb.Node(id=node_id, tool_invocation=pb.ToolInvocationNode(id=node_id, response_id=response_id))


PROMPT = pb.Node(id="p", prompt=pb.PromptNode(id="p", session_id="s"))
STRANGERS = {
    "a response": [PROMPT, response("r", "p"), response("x", "other")],
    "a response before its session's": [response("x", "other"), PROMPT],
    "a tool's call": [PROMPT, response("r", "p"), tool("t", "r"), tool("x", "other")],
    "a tool's call that names a prompt": [PROMPT, tool("x", "p")],
}


@pytest.mark.parametrize("nodes", STRANGERS.values(), ids=list(STRANGERS))
@pytest.mark.parametrize("name", ["Query", "StreamQuery", "every page"])
def test_responses_and_tool_invocations_of_another_session_are_an_error(
    graph: Graph, client: MemoryGraphClient, name: str, nodes: list[pb.Node]
) -> None:
    graph.nodes = list(nodes)
    with pytest.raises(SerializationError, match="another session_id"):
        NODE_READS[name](client)
    assert len(client.query(pb.QueryRequest(session_id="s", limit=1)).nodes) == 1  # a part cannot be judged


@pytest.mark.parametrize(
    "nodes",
    [
        [response("r", "p"), tool("t", "r"), PROMPT],
        [PROMPT, response("r", ""), tool("t", "")],
        [pb.Node(prompt=pb.PromptNode(session_id="s")), response("r", "p")],
    ],
    ids=["in any order", "naming nothing", "of a prompt without an id"],
)
def test_nodes_that_may_be_the_sessions_own_are_no_error(
    graph: Graph, client: MemoryGraphClient, nodes: list[pb.Node]
) -> None:
    graph.nodes = nodes
    assert len(list(client.iter_nodes("s", 2))) == len(nodes)


def added_first(nodes: list[pb.Node]) -> None:
    nodes.insert(0, pb.Node(id="new"))


def first_removed(nodes: list[pb.Node]) -> None:
    del nodes[0]


def one_removed_and_two_added(nodes: list[pb.Node]) -> None:
    del nodes[-1]
    nodes[:0] = [pb.Node(id="new-1"), pb.Node(id="new-2")]


def last_replaced_by_a_first(nodes: list[pb.Node]) -> None:
    del nodes[-1]
    added_first(nodes)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("change", [added_first, first_removed, one_removed_and_two_added, last_replaced_by_a_first])
def test_nodes_that_move_between_two_pages_are_an_error_that_a_second_reading_ends(
    graph: Graph, client: MemoryGraphClient, size: int, change: Callable[[list[pb.Node]], None]
) -> None:
    graph.nodes, graph.changes = [pb.Node(id=f"n-{number}") for number in range(9)], [change]
    with pytest.raises(ChangedMeanwhile, match="read it again"):
        list(client.iter_nodes("s", size))
    assert list(client.iter_nodes("s", size)) == graph.nodes


def test_nodes_that_come_after_the_last_while_it_is_read_are_read_too(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes = [pb.Node(id=f"n-{number}") for number in range(4)]
    graph.changes = [lambda nodes: nodes.append(pb.Node(id="n-4"))]
    assert list(client.iter_nodes("s", 2)) == graph.nodes


def test_nodes_of_every_session_are_given_to_who_asks_for_no_session(graph: Graph, client: MemoryGraphClient) -> None:
    graph.nodes = [pb.Node(id=name, prompt=pb.PromptNode(session_id=name)) for name in "abc"]
    assert list(client.query(pb.QueryRequest(limit=9)).nodes) == graph.nodes
    assert list(client.stream_query(pb.QueryRequest())) == graph.nodes


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
