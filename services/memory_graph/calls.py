"""The Memory-Graph's gRPC operations: each is one transaction, one log line, one status."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...schemas import memory_graph_pb2 as pb
from ...schemas import memory_graph_pb2_grpc as rpc
from ...tracing.context import TRACEPARENT, context_of, trace_id
from ...tracing.spans import span
from ..database.storage import Storage, is_outage
from ..web.log import LOGGER, log_failure, request_id
from . import store
from .messages import Refused, UnreadableSession, non_negative

T = TypeVar("T")
Context = grpc.ServicerContext
_STREAM_PAGE = 200
_MOST_TOLD = 1000


class MemoryGraph(rpc.MemoryGraphServiceServicer):
    """The gRPC service; its methods are named in the interface."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._started = time.monotonic()
        self._told: set[int] = set()

    def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.Session:  # noqa: N802
        """Create a conversation."""
        return self._write("CreateSession", context, lambda tx: store.create_session(tx, dict(request.metadata)))

    def GetSession(self, request: pb.GetSessionRequest, context: Context) -> pb.Session:  # noqa: N802
        """Get a conversation's session."""
        return self._read("GetSession", context, lambda tx: store.get_session(tx, request.session_id))

    def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:  # noqa: N802
        """List sessions in order of creation."""
        return self._read(
            "ListSessions", context, lambda tx: store.list_sessions(tx, request.limit, request.offset, self._tell)
        )

    def AddPrompt(self, request: pb.AddPromptRequest, context: Context) -> pb.PromptNode:  # noqa: N802
        """Add a user's prompt."""
        return self._write("AddPrompt", context, lambda tx: store.add_prompt(tx, request))

    def AddResponse(self, request: pb.AddResponseRequest, context: Context) -> pb.ResponseNode:  # noqa: N802
        """Add a model's response."""
        return self._write("AddResponse", context, lambda tx: store.add_response(tx, request))

    def AddToolInvocation(self, request: pb.AddToolInvocationRequest, context: Context) -> pb.ToolInvocationNode:  # noqa: N802
        """Add a tool that a response called."""
        return self._write(
            "AddToolInvocation", context, lambda tx: store.add_tool_invocation(tx, request.tool_invocation)
        )

    def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:  # noqa: N802
        """Find nodes, in order of insertion."""
        return self._read("Query", context, lambda tx: store.query(tx, request))

    def GetConversations(  # noqa: N802
        self, request: pb.GetConversationsRequest, context: Context
    ) -> pb.GetConversationsResponse:
        """Get the nodes of many sessions."""
        return self._read("GetConversations", context, lambda tx: store.conversations(tx, request))

    def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> Empty:  # noqa: N802
        """Delete a conversation."""
        self._write("DeleteSession", context, lambda tx: store.delete_session(tx, request.session_id))
        return Empty()

    def StreamQuery(self, request: pb.QueryRequest, context: Context) -> Iterator[pb.Node]:  # noqa: N802
        """Stream the nodes of a query; a limit of 0 means all of them."""
        with _logged("StreamQuery", context):
            yield from self._stream(request)

    def Health(self, request: Empty, context: Context) -> pb.HealthResponse:  # noqa: N802
        """Say whether the database responds."""
        up = int(time.monotonic() - self._started)
        return pb.HealthResponse(status=self._status(), version=version("memory-graph-workers"), uptime_seconds=up)

    def _read(self, operation: str, context: Context, work: Callable[[Session], T]) -> T:
        with _logged(operation, context), self._storage.read() as session:
            return work(session)

    def _write(self, operation: str, context: Context, work: Callable[[Session], T]) -> T:
        with _logged(operation, context):
            return self._storage.write(work)

    def _stream(self, request: pb.QueryRequest) -> Iterator[pb.Node]:
        # One transaction per page: a slow reader must not hold one open.
        left, after, skip = non_negative(request.limit, "limit") or None, 0, request.offset
        while left is None or left > 0:
            with self._storage.read() as session:
                size = _STREAM_PAGE if left is None else min(left, _STREAM_PAGE)
                nodes, after = store.stream_page(session, request, after, size, skip)
            yield from nodes
            if len(nodes) < size:
                return
            skip, left = 0, None if left is None else left - len(nodes)

    def _tell(self, error: UnreadableSession) -> None:
        """Log a session that cannot be read, the first time that it is listed."""
        if error.row not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(error.row)
            facts = {"session_id": error.rest.id, "row": error.row, "columns": error.columns, "reason": error.reason}
            LOGGER.error("unreadable session", extra={"facts": facts})

    def _status(self) -> pb.HealthResponse.Status:
        try:
            self._storage.check()
        except SQLAlchemyError:
            return pb.HealthResponse.NOT_SERVING
        return pb.HealthResponse.SERVING


@contextmanager
def _logged(operation: str, context: Context) -> Generator[None]:
    """Turn an error into a status that quotes nothing of the request, log the call, and record it as a span."""
    started, sent = time.monotonic(), dict(context.invocation_metadata() or ())
    facts: dict[str, Any] = {"operation": operation, "status": "OK", "request_id": _request_id(sent)}
    try:
        with span(operation, "SERVER", {"rpc.system.name": "grpc"}, parent=context_of(sent.get(TRACEPARENT))):
            if (current := trace_id()) is not None:
                facts["trace_id"] = current
            yield
    except Exception as error:  # noqa: BLE001  a caller gets a status, never the error's text
        code, reason = _status_of(error, facts)
        facts["status"] = code.name
        context.abort(code, reason)
    finally:
        LOGGER.info("request", extra={"facts": {**facts, "duration_ms": round((time.monotonic() - started) * 1000, 1)}})


def _status_of(error: Exception, facts: dict[str, Any]) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, Refused):
        return error.code, error.reason
    log_failure(error, facts)
    if isinstance(error, UnreadableSession):
        return grpc.StatusCode.DATA_LOSS, error.reason
    if is_outage(error):
        return grpc.StatusCode.UNAVAILABLE, "the database does not respond"
    return grpc.StatusCode.INTERNAL, "the service failed"


def _request_id(sent: Mapping[str, str | bytes]) -> str:
    given = sent.get("x-request-id")
    return request_id(given if isinstance(given, str) else None)
