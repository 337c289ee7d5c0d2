"""A session's nodes, page by page; a page that is too large for one response is asked for in halves."""

from collections.abc import Callable, Iterable, Iterator

from ..schemas import memory_graph_pb2 as pb
from .errors import ResponseTooLarge, SerializationError

SERVICE = "memory_graph"
PAGE_SIZE = 500


def all_nodes(
    query: Callable[[pb.QueryRequest], pb.QueryResponse], session_id: str, page_size: int = PAGE_SIZE
) -> Iterator[pb.Node]:
    """Yield every node of a session in the graph's order.

    A size that fitted is kept until the session's end: its later nodes are likely as large. A full page is always
    followed by another request, whatever `total_count` says.
    Raises: ResponseTooLarge if one node alone is too large, SerializationError if a page repeats another one.
    """
    offset, starts = 0, set[str]()
    while True:
        page, page_size = _fitting(query, session_id, page_size, offset)
        if page.nodes and page.nodes[0].id in starts:
            raise SerializationError("the pages of the session's nodes go in a circle", SERVICE, "Query")
        yield from page.nodes
        starts.update(node.id for node in page.nodes[:1] if node.id)
        offset += len(page.nodes)
        is_last = len(page.nodes) < page_size or not starts
        if not page.nodes or (is_last and offset >= page.total_count):
            return


def about_session(nodes: Iterable[pb.Node], session_id: str, operation: str) -> Iterator[pb.Node]:
    """Yield nodes that may belong to a session; without a session's id, all of them.

    Only a prompt names its session: a response names its prompt, a tool invocation its response.
    Raises: SerializationError if a prompt names another session.
    """
    for node in nodes:
        if session_id and node.prompt.session_id not in ("", session_id):
            raise SerializationError("the response is about another session_id than was asked", SERVICE, operation)
        yield node


def _fitting(
    query: Callable[[pb.QueryRequest], pb.QueryResponse], session_id: str, size: int, offset: int
) -> tuple[pb.QueryResponse, int]:
    """Return the page at an offset and its size: that asked for, or a half, a quarter, … of it that fits a response."""
    while True:
        try:
            return query(pb.QueryRequest(session_id=session_id, limit=size, offset=offset)), size
        except ResponseTooLarge:
            if size == 1:
                raise
            size //= 2
