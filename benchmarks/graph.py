"""A memory graph that answers every query with the same four nodes, and serialises nothing: `python graph.py PORT`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from memory_graph_workers.schemas import memory_graph_pb2 as pb

TEXT = "What one side says to the other, about as long as people write. " * 8


def nodes() -> bytes:
    """Two prompts and two responses."""
    made: list[Any] = []
    for number in (1, 2):
        prompt = pb.PromptNode(id=f"p-{number}", session_id="s", content=TEXT)
        made.append(pb.Node(id=f"p-{number}", prompt=prompt))
        made.append(pb.Node(id=f"r-{number}", response=pb.ResponseNode(id=f"r-{number}", content=TEXT)))
    return pb.QueryResponse(nodes=made, total_count=len(made)).SerializeToString()


class Handler(grpc.GenericRpcHandler):
    """Answers whatever is called."""

    def __init__(self) -> None:
        answer = nodes()
        self._handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)

    def service(self, handler_call_details: Any) -> Any:
        """The one answer."""
        return self._handler


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4), handlers=[Handler()])
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()
