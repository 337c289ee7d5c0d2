"""LLM-Memory-Graph over gRPC: it stores the conversations."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.empty_pb2 import Empty

from ..schemas import memory_graph_pb2 as pb
from ..schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from ..tracing.context import trace_headers
from ..tracing.spans import span
from .base import HEALTH_TIMEOUT_SECS, Closing
from .breaker import Breaker
from .capabilities import KEPT_SECS
from .config import MemoryGraphConfig, RetryPolicy
from .errors import IntegrationError, Refused, SerializationError, ServiceUnavailable
from .http import USER_AGENT
from .memory_graph_pages import PAGE_SIZE, SERVICE, about_session, all_nodes, asks_for_all, whole_conversation
from .memory_graph_status import MAX_MESSAGE_BYTES, error_of
from .request_log import log_request
from .retry import ONCE, with_retries

T = TypeVar("T")

_OPEN = "Health"  # takes no key
_NOT_FOUND: int = grpc.StatusCode.NOT_FOUND.value[0]
_UNIMPLEMENTED: int = grpc.StatusCode.UNIMPLEMENTED.value[0]
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.primary_user_agent", USER_AGENT),
    # gRPC fails each call at once until it has reconnected. By default it waits up to two minutes between attempts, so
    # the first calls to a service that is back would open the breaker for another minute.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]

logger = logging.getLogger(__name__)


class MemoryGraphClient(Closing):
    """Calls of LLM-Memory-Graph, as in docs/contract/wire.md; thread-safe, and a context manager.

    Reads and deletions are retried by `retry_policy`. Calls that add something are not, because the service does not
    deduplicate.
    Make one only after a fork: gRPC's threads do not survive it.
    """

    service: ClassVar[str] = SERVICE

    def __init__(
        self,
        config: MemoryGraphConfig,
        *,
        retry_policy: RetryPolicy | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.config = config
        self._retry = retry_policy or RetryPolicy()
        self._breaker = breaker or Breaker(self.service)
        scheme, _, target = config.url.partition("://")
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(), _OPTIONS)
            if scheme == "grpcs"
            else grpc.insecure_channel(target, _OPTIONS)
        )
        self._alone_until = 0.0
        self._stub = MemoryGraphServiceStub(self._channel)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def create_session(self, metadata: Mapping[str, str] | None = None) -> pb.Session:
        """Create a session (CreateSession); a repeat creates a second one."""
        return self._call("CreateSession", pb.CreateSessionRequest(metadata=metadata or {}), ONCE)

    def get_session(self, session_id: str) -> pb.Session:
        """Return one session (GetSession).

        Raises: Refused if there is none.
        """
        session: pb.Session = self._call("GetSession", pb.GetSessionRequest(session_id=session_id))
        return self._about(session, "id", session_id, "GetSession")

    def list_sessions(self, limit: int = 100, offset: int = 0) -> pb.ListSessionsResponse:
        """Return some of the sessions (ListSessions)."""
        return self._call("ListSessions", pb.ListSessionsRequest(limit=limit, offset=offset))

    def delete_session(self, session_id: str) -> None:
        """Delete a session with its conversation (DeleteSession); if it is already gone, that counts as deleted."""
        try:
            self._call("DeleteSession", pb.DeleteSessionRequest(session_id=session_id))
        except Refused as error:
            if error.status != _NOT_FOUND:
                raise

    def add_prompt(self, session_id: str, content: str, metadata: pb.PromptMetadata | None = None) -> pb.PromptNode:
        """Add a prompt to a session (AddPrompt); a repeat adds a second one."""
        request = pb.AddPromptRequest(session_id=session_id, content=content, metadata=metadata)
        return self._about(self._call("AddPrompt", request, ONCE), "session_id", session_id, "AddPrompt")

    def add_response(
        self,
        prompt_id: str,
        content: str,
        token_usage: pb.TokenUsage | None = None,
        metadata: pb.ResponseMetadata | None = None,
    ) -> pb.ResponseNode:
        """Add a response to a prompt (AddResponse); a repeat adds a second one."""
        request = pb.AddResponseRequest(
            prompt_id=prompt_id, content=content, token_usage=token_usage, metadata=metadata
        )
        return self._about(self._call("AddResponse", request, ONCE), "prompt_id", prompt_id, "AddResponse")

    def add_tool_invocation(self, tool_invocation: pb.ToolInvocationNode) -> pb.ToolInvocationNode:
        """Add a tool's call to a response (AddToolInvocation); a repeat adds a second one."""
        asked, operation = tool_invocation, "AddToolInvocation"
        added: pb.ToolInvocationNode = self._call(operation, pb.AddToolInvocationRequest(tool_invocation=asked), ONCE)
        self._about(added, "response_id", asked.response_id, operation)
        return self._about(added, "id", asked.id, operation) if asked.id else added

    def query(self, request: pb.QueryRequest) -> pb.QueryResponse:
        """Return some of the nodes that match (Query); `total_count` counts all of them."""
        page: pb.QueryResponse = self._call("Query", request)
        are_all = asks_for_all(request) and len(page.nodes) >= page.total_count
        list(about_session(page.nodes, request.session_id, "Query", are_all=are_all))
        return page

    def stream_query(self, request: pb.QueryRequest) -> Iterator[pb.Node]:
        """Yield the nodes that match (StreamQuery), all within `timeout_secs`.

        Raises: what every call raises, also in the middle.
        """
        with self._watched("StreamQuery", request) as metadata:
            stream = self._stub.StreamQuery(request, timeout=self.config.timeout_secs, metadata=metadata)
            try:
                are_all = asks_for_all(request) and not request.limit
                yield from about_session(stream, request.session_id, "StreamQuery", are_all=are_all)
            finally:
                stream.cancel()  # ends one that is not read to its end

    def health_check(self) -> pb.HealthResponse:
        """Ask whether the service is up (Health, at most 5 s).

        Raises: ServiceUnavailable if it says that it does not serve.
        """
        health: pb.HealthResponse = self._call("Health", Empty(), timeout_secs=HEALTH_TIMEOUT_SECS)
        if health.status == pb.HealthResponse.NOT_SERVING:
            raise ServiceUnavailable("the service says that it does not serve", self.service, "Health")
        return health

    def iter_nodes(self, session_id: str, page_size: int = PAGE_SIZE) -> Iterator[pb.Node]:
        """Yield every node of a session in the graph's order, page by page (Query).

        Raises: ChangedMeanwhile if nodes moved between two pages, also after the first ones were given.
        """
        return all_nodes(self.query, session_id, page_size)

    def count_nodes(self, session_id: str) -> int:
        """Return how many nodes a session has; nodes are never removed, so a higher count means that it went on."""
        return self.query(pb.QueryRequest(session_id=session_id, limit=1)).total_count

    def get_conversations(self, session_ids: Sequence[str]) -> dict[str, list[pb.Node]]:
        """Return the nodes of those of some sessions that one call finds (GetConversations), by their ids.

        One that is not returned may have nodes all the same: read it alone. None is returned by a service that does not
        know this call, which is asked again ten minutes later.
        Raises: an IntegrationError for the call as a whole.
        """
        read: dict[str, list[pb.Node]] = {}
        for one in self._conversations(pb.GetConversationsRequest(session_ids=session_ids)):
            with suppress(IntegrationError):  # whoever reads it alone is told
                read[one.session_id] = whole_conversation(one.session_id, one.found)
        return {session_id: read[session_id] for session_id in session_ids if read.get(session_id)}

    def count_conversations(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many nodes those of some sessions have that one call finds (GetConversations), by their ids.

        One that is not returned may have nodes all the same: count it alone.
        Raises: an IntegrationError for the call as a whole.
        """
        request = pb.GetConversationsRequest(session_ids=session_ids, counts_alone=True)
        return {one.session_id: one.found.total_count for one in self._conversations(request)}

    def _conversations(self, request: pb.GetConversationsRequest) -> Sequence[pb.Conversation]:
        if time.monotonic() < self._alone_until:
            return []
        try:
            return self._call("GetConversations", request).conversations
        except Refused as error:
            if error.status == _UNIMPLEMENTED:
                self._alone_until = time.monotonic() + KEPT_SECS
            return []

    def _about(self, found: T, name: str, asked: str, operation: str) -> T:
        """Return what was found if it is about the id that was asked for, or names none."""
        if getattr(found, name) not in ("", asked):
            raise SerializationError(f"the response is about another {name} than was asked", self.service, operation)
        return found

    def _call(
        self, operation: str, request: Any, policy: RetryPolicy | None = None, timeout_secs: float | None = None
    ) -> Any:
        secs = min(timeout_secs or self.config.timeout_secs, self.config.timeout_secs)
        attempt: Callable[[], Any] = lambda: self._attempt(operation, request, secs)  # noqa: E731
        guarded: Callable[[], Any] = lambda: self._breaker.call(  # noqa: E731
            attempt, operation, lambda: _identity(request), is_health_check=operation == "Health"
        )
        return with_retries(policy or self._retry, self.config.timeout_secs, guarded)

    def _attempt(self, operation: str, request: Any, timeout_secs: float) -> Any:
        method = getattr(self._stub, operation)
        with self._watched(operation, request) as metadata:
            return method(request, timeout=timeout_secs, metadata=metadata)

    @contextmanager
    def _watched(self, operation: str, request: Any) -> Generator[list[tuple[str, str]]]:
        """Give a request an id, turn its gRPC status into our error, log one line, and record a span."""
        request_id = str(uuid4())
        facts = {"peer.service": self.service, "rpc.system.name": "grpc", "request_id": request_id}
        # Not the current one: whoever reads a stream does other work in between.
        with (
            span(operation, "CLIENT", facts, is_current=False) as recorded,
            self._logged(operation, request, request_id),
        ):
            yield [("x-request-id", request_id), *trace_headers(recorded).items(), *self._bearer(operation)]

    @contextmanager
    def _logged(self, operation: str, request: Any, request_id: str) -> Generator[None]:
        started, status = time.monotonic(), 0
        try:
            yield
        except grpc.RpcError as error:
            ours = error_of(error, request, self.service, operation, request_id)
            status = ours.status
            raise ours from None  # its details may quote content
        finally:
            log_request(
                logger if self.config.enable_logging else None,
                request_id,
                service=self.service,
                route=operation,
                status=status,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )

    def _bearer(self, operation: str) -> list[tuple[str, str]]:
        key = self.config.api_key
        return [("authorization", f"Bearer {key}")] if key and operation != _OPEN else []


def _identity(request: Any) -> bytes:
    """Return what makes a failing request the same one again: the id of its session, else its content."""
    return getattr(request, "session_id", "").encode() or request.SerializeToString(deterministic=True)
