"""Conversations that are read in one call, where the graph knows that."""
# ruff: noqa: N802  the generated code names the methods

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from memory_graph_workers.clients import memory_graph
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.errors import IntegrationError
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import (
    MemoryGraphServiceServicer,
    add_MemoryGraphServiceServicer_to_server,
)
from support.fakes.graph import Graph

READS: list[Callable[[MemoryGraphClient], dict[str, Any]]] = [
    lambda client: client.get_conversations(["a", "b"]),
    lambda client: client.count_conversations(["a", "b"]),
]


def prompt(session_id: str) -> pb.Node:
    return pb.Node(id=f"p-{session_id}", prompt=pb.PromptNode(id=f"p-{session_id}", session_id=session_id))


def answer_to(session_id: str) -> pb.Node:
    return pb.Node(id="r", response=pb.ResponseNode(id="r", prompt_id=f"p-{session_id}"))


def found(session_id: str, total: int, *nodes: pb.Node) -> pb.Conversation:
    return pb.Conversation(session_id=session_id, found=pb.QueryResponse(nodes=nodes, total_count=total))


class Able(MemoryGraphServiceServicer):
    """Knows the call, and responds with `conversations` or fails with `code`."""

    def __init__(self) -> None:
        self.asked: list[pb.GetConversationsRequest] = []
        self.conversations: list[pb.Conversation] = []
        self.code: grpc.StatusCode | None = None

    def GetConversations(self, request: pb.GetConversationsRequest, context: Any) -> pb.GetConversationsResponse:
        self.asked.append(request)
        if self.code is not None:
            context.abort(self.code, "no")
        return pb.GetConversationsResponse(conversations=self.conversations)


@pytest.fixture
def able() -> Iterator[tuple[Able, MemoryGraphClient]]:
    servicer, server = Able(), grpc.server(ThreadPoolExecutor(2))
    add_MemoryGraphServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", timeout_secs=10)
    server.start()
    with MemoryGraphClient(config, retry_policy=ONCE) as client:
        yield servicer, client
    server.stop(0).wait()


def test_conversations_that_came_whole_are_returned_by_their_ids(able: tuple[Able, MemoryGraphClient]) -> None:
    service, client = able
    whole = [prompt("a"), answer_to("a")]
    service.conversations = [found("a", 2, *whole), found("b", 9), found("c", 2, prompt("c"))]
    assert client.get_conversations(["a", "b", "c", "d"]) == {"a": whole}
    assert service.asked == [pb.GetConversationsRequest(session_ids=["a", "b", "c", "d"])]


@pytest.mark.parametrize(
    "wrong",
    [[prompt("b")], [prompt("a"), prompt("a")], [prompt("a"), answer_to("b")]],
    ids=["another session's", "twice", "another session's response"],
)
def test_a_conversation_with_wrong_nodes_is_left_out(
    able: tuple[Able, MemoryGraphClient], wrong: list[pb.Node]
) -> None:
    service, client = able
    service.conversations = [found("a", len(wrong), *wrong), found("z", 1, prompt("z")), found("b", 1, prompt("b"))]
    assert client.get_conversations(["a", "b"]) == {"b": [prompt("b")]}


def test_nodes_are_counted_without_being_sent(able: tuple[Able, MemoryGraphClient]) -> None:
    service, client = able
    service.conversations = [found("a", 7)]
    assert client.count_conversations(["a", "b"]) == {"a": 7}
    assert service.asked == [pb.GetConversationsRequest(session_ids=["a", "b"], counts_alone=True)]


@pytest.mark.parametrize("read", READS)
def test_a_graph_that_does_not_know_the_call_is_asked_again_ten_minutes_later(
    graph: Graph, client: MemoryGraphClient, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    called: list[str] = []
    usual = client._attempt
    monkeypatch.setattr(client, "_attempt", lambda *given: called.append(given[0]) or usual(*given))
    assert [read(client), read(client)] == [{}, {}]
    assert called == ["GetConversations"]
    later = memory_graph.time.monotonic() + 601
    monkeypatch.setattr(memory_graph.time, "monotonic", lambda: later)
    assert read(client) == {}
    assert len(called) == 2


@pytest.mark.parametrize("read", READS)
def test_a_refused_call_finds_none_and_is_made_again(able: tuple[Able, MemoryGraphClient], read: Any) -> None:
    service, client = able
    service.code = grpc.StatusCode.INVALID_ARGUMENT
    assert [read(client), read(client)] == [{}, {}]
    assert len(service.asked) == 2


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_a_call_without_a_response_fails(
    able: tuple[Able, MemoryGraphClient], read: Any, code: grpc.StatusCode
) -> None:
    service, client = able
    service.code = code
    with pytest.raises(IntegrationError):
        read(client)
