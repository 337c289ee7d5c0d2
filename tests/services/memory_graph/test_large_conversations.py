"""A conversation that is too large for one response, read by our own client."""

import pytest
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.tasks.archival.session import conversation
from support.graph_channel import GRAPH_KEY
from support.waiting import LONGEST_SECS

MIB = 2**20


@pytest.fixture(scope="module")
def client(start):
    service = start("memory-graph")
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{service.port}", api_key=GRAPH_KEY, timeout_secs=LONGEST_SECS)
    with MemoryGraphClient(config, retry_policy=ONCE) as made:
        yield made


@pytest.mark.parametrize("sizes", [[7 * MIB] * 10, [1, 40 * MIB, 40 * MIB, 1]], ids=["ten of 7 MiB", "two of 40 MiB"])
def test_a_conversation_over_64_mib_is_read_whole(client, sizes):
    session_id = client.create_session().id
    prompt = client.add_prompt(session_id, "one prompt")
    responses = [client.add_response(prompt.id, "x" * size).id for size in sizes]
    found = conversation(session_id, list(client.iter_nodes(session_id)))
    assert [(node["id"], len(node["content"])) for node in found["responses"]] == list(
        zip(responses, sizes, strict=True)
    )
    assert client.count_nodes(session_id) == 1 + len(sizes)


@pytest.mark.parametrize(("size", "said"), [(64 * MIB, "the request is over 64 MiB"), (64 * MIB - 100, "refused")])
def test_a_node_that_is_too_large_is_refused_and_leaves_nothing(client, size, said):
    session_id = client.create_session().id
    with pytest.raises(Refused, match=said):
        client.add_prompt(session_id, "x" * size)
    assert list(client.iter_nodes(session_id)) == []
