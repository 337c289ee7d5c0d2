"""The graph's client against a small gRPC server: each operation, its key, its log."""

import logging
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    Refused,
)
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from support.fakes.graph import CALLS, CANARY, Graph


def test_every_operation_of_the_service_is_tried() -> None:
    ours = {"GetConversations"}  # test_conversations.py
    assert set(CALLS) | ours == set(pb.DESCRIPTOR.services_by_name["MemoryGraphService"].methods_by_name)


@pytest.mark.parametrize("name", CALLS)
def test_each_operation_sends_and_returns_what_the_contract_says(
    graph: Graph, client: MemoryGraphClient, name: str
) -> None:
    call, sent, answered = CALLS[name]
    assert call(client) == answered
    assert graph.asked == [(name, sent)]


def test_deleting_what_is_gone_succeeds(graph: Graph, client: MemoryGraphClient) -> None:
    graph.codes = [grpc.StatusCode.NOT_FOUND]
    client.delete_session("s")
    assert [name for name, _ in graph.asked] == ["DeleteSession"]


def test_any_other_refusal_of_a_deletion_stands(graph: Graph, client: MemoryGraphClient) -> None:
    graph.codes = [grpc.StatusCode.FAILED_PRECONDITION]
    with pytest.raises(Refused):
        client.delete_session("s")


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
