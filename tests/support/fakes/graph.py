"""A small gRPC server of the Memory-Graph, and a call of each of its operations."""
# ruff: noqa: N802  the generated code names the methods

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from memory_graph_workers.clients.config import RetryPolicy
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import (
    MemoryGraphServiceServicer,
)

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

    def DeleteSession(self, request: Any, context: Any) -> Empty:
        self._record("DeleteSession", request, context)
        return Empty()

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
    "DeleteSession": (
        lambda client: client.delete_session("s/1"),
        pb.DeleteSessionRequest(session_id="s/1"),
        None,
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
