"""The graph's client: pages, streams and counts of nodes."""

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from memory_graph_workers.clients import memory_graph
from memory_graph_workers.clients.errors import (
    ChangedMeanwhile,
    ResponseTooLarge,
    SerializationError,
    ServiceUnavailable,
)
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from support.fakes.graph import Graph


def sized(session_id: str, sizes: Sequence[int]) -> list[pb.Node]:
    """Nodes of so many bytes of text."""
    prompts = [pb.PromptNode(session_id=session_id, content="x" * size) for size in sizes]
    return [pb.Node(id=f"n-{number}", prompt=prompt) for number, prompt in enumerate(prompts)]


MIB = 2**20


@pytest.fixture
def at_most_64_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's limit in KiB instead of MiB: else gigabytes would be carried."""
    options = [(name, 64 * 2**10 if "receive" in str(name) else value) for name, value in memory_graph._OPTIONS]
    monkeypatch.setattr(memory_graph, "_OPTIONS", options)


@pytest.mark.usefixtures("at_most_64_kib")
@pytest.mark.parametrize(
    ("kib", "limits"),
    [
        ([0, 0, 0], [500]),
        ([7] * 11, [500, 250, 125, 62, 31, 15, 7, 7]),
        ([50] * 3, [500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1, 1]),
        ([0] * 20 + [40, 40, 0], [500, 250, 125, 62, 31, 15, 15, 7, 3, 3, 3]),
    ],
)
def test_a_page_over_the_limit_is_asked_for_in_halves_and_their_size_is_kept(
    graph: Graph, client: MemoryGraphClient, kib: list[int], limits: list[int]
) -> None:
    graph.nodes = sized("s", [size * 2**10 for size in kib])
    assert [len(node.prompt.content) // 2**10 for node in client.iter_nodes("s")] == kib
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
