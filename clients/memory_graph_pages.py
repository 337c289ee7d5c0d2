"""A session's nodes, page by page; a page that is too large for one response is asked for in halves."""

from collections.abc import Callable, Iterable, Iterator

from ..schemas import memory_graph_pb2 as pb
from .errors import ChangedMeanwhile, ResponseTooLarge, SerializationError

SERVICE = "memory_graph"
PAGE_SIZE = 500
# A response and a tool invocation name no session, but the node that they belong to.
_PARENTS = {"response": ("prompt", "prompt_id"), "tool_invocation": ("response", "response_id")}


def all_nodes(
    query: Callable[[pb.QueryRequest], pb.QueryResponse], session_id: str, page_size: int = PAGE_SIZE
) -> Iterator[pb.Node]:
    """Yield every node of a session in the graph's order, each once.

    A size that fitted is kept until the session's end: its later nodes are likely as large. A full page is always
    followed by another request, whatever `total_count` says.
    Raises: ChangedMeanwhile if nodes moved between two pages, so that one may be missing; SerializationError if the
    pages go in a circle, or a node is another session's; ResponseTooLarge if one node alone is too large.
    """
    offset, pages, family = 0, _Pages(), _Family("Query")
    while True:
        page, page_size = _fitting(query, session_id, page_size, offset)
        pages.add(page)
        for node in page.nodes:
            family.add(node)
            yield node
        offset += len(page.nodes)
        is_last = len(page.nodes) < page_size or not pages.ids
        if not page.nodes or (is_last and offset >= page.total_count):
            family.check()
            return


def whole_conversation(session_id: str, found: pb.QueryResponse) -> list[pb.Node]:
    """Return a session's nodes if all of them were found together, else none.

    Raises: SerializationError if a node is another session's.
    """
    if len(found.nodes) != found.total_count:
        return []
    return list(about_session(all_nodes(lambda _: found, session_id, len(found.nodes) + 1), session_id, "Query"))


def about_session(
    nodes: Iterable[pb.Node], session_id: str, operation: str, *, are_all: bool = False
) -> Iterator[pb.Node]:
    """Yield nodes that may belong to a session; without a session's id, all of them.

    A prompt names its session. A response names its prompt and a tool invocation its response, so these can be judged
    only at the end, and if the nodes `are_all` of the session.
    Raises: SerializationError if one belongs to another session.
    """
    family = _Family(operation)
    for node in nodes:
        if session_id and node.prompt.session_id not in ("", session_id):
            raise _another_session(operation)
        family.add(node)
        yield node
    if session_id and are_all:
        family.check()


def asks_for_all(request: pb.QueryRequest) -> bool:
    """Return whether nothing in a query leaves out nodes of its session, but for its limit."""
    narrowed = any(request.HasField(name) for name in ("node_type", "after", "before"))
    return not (narrowed or request.filters or request.offset)


class _Pages:
    """The pages of a session so far: what shows that nodes were added or removed before the page that is read next."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self._total = 0

    def add(self, page: pb.QueryResponse) -> None:
        """Note a page.

        Raises: ChangedMeanwhile, or SerializationError if it brings nothing new.
        """
        ids = [node.id for node in page.nodes if node.id]
        new = set(ids) - self.ids
        if ids and not new and page.total_count == self._total:
            raise SerializationError("the pages of the session's nodes go in a circle", SERVICE, "Query")
        if len(new) < len(ids) or page.total_count < self._total:
            raise ChangedMeanwhile("the conversation changed while it was read; read it again", SERVICE, "Query")
        self.ids |= new
        self._total = page.total_count


class _Family:
    """Nodes, and which others they name as those that they belong to."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._ids: dict[str, set[str]] = {"prompt": set(), "response": set()}
        self._named: dict[str, set[str]] = {kind: set() for kind in _PARENTS}

    def add(self, node: pb.Node) -> None:
        """Note a node; one without any id may be what another names."""
        kind = node.WhichOneof("node_data")
        if kind in self._ids:
            self._ids[kind].update({node.id, getattr(node, kind).id} - {""} or {""})
        if kind in _PARENTS:
            self._named[kind].add(getattr(getattr(node, kind), _PARENTS[kind][1]))

    def check(self) -> None:
        """Raise SerializationError if a node belongs to none of them, and so to another session."""
        for kind, (parent, _) in _PARENTS.items():
            known = self._ids[parent]
            if "" not in known and self._named[kind] - known - {""}:
                raise _another_session(self._operation)


def _another_session(operation: str) -> SerializationError:
    return SerializationError("the response is about another session_id than was asked", SERVICE, operation)


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
