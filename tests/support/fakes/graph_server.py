"""A Memory-Graph on a loopback port that answers one prompt, or fails with words of its own."""

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import (
    MemoryGraphServiceServicer,
    add_MemoryGraphServiceServicer_to_server,
)


class FakeGraph(MemoryGraphServiceServicer):
    """A session `graph-CODE` fails with that gRPC status and `details`; any other holds one prompt, `text`.

    The prompt of a session in `times` has that time, as seconds and nanoseconds, valid or not; one in `empty` holds
    nothing.
    """

    def __init__(self, text: str, details: str = "", times: dict[str, tuple[int, int]] | None = None) -> None:
        self.text, self.details, self.times = text, details, times or {}
        self.empty: set[str] = set()
        self.code: grpc.StatusCode | None = None  # what every session fails with
        self._server = grpc.server(ThreadPoolExecutor(4))
        add_MemoryGraphServiceServicer_to_server(self, self._server)
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(0).wait(5)

    def Query(self, request: pb.QueryRequest, context: Any) -> pb.QueryResponse:  # noqa: N802
        _, _, name = request.session_id.partition("graph-")
        if code := grpc.StatusCode[name] if name else self.code:
            context.set_trailing_metadata((("reason", self.details),))
            context.abort(code, self.details)
        if request.session_id in self.empty:
            return pb.QueryResponse()
        prompt = pb.PromptNode(id="p", session_id=request.session_id, content=self.text)
        if time := self.times.get(request.session_id):
            prompt.timestamp.seconds, prompt.timestamp.nanos = time
        return pb.QueryResponse(nodes=[pb.Node(id="p", type=pb.NODE_TYPE_PROMPT, prompt=prompt)], total_count=1)
