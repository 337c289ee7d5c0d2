"""What a graph may hold of a conversation: any message that protobuf can carry."""

import json
import math
from contextlib import suppress
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.clients.errors import NotArchivable
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.canonical import canonical_json
from memory_graph_workers.schemas.vault import ArchiveEntry, ArchiveEntrySchema
from memory_graph_workers.services.memory_graph.messages import Refused, check_timestamp
from memory_graph_workers.tasks.archival.session import conversation
from support.fuzzing import examples

TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["\x00", "\u202e", "x" * 100_000, "[" * 5000]
)
INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
MAPS = st.dictionaries(TEXT, TEXT, max_size=3)
STAMPS = st.builds(
    Timestamp,
    seconds=INT64 | st.sampled_from([0, 1764335472, 1764335472000, -62_135_596_801, 253_402_300_800]),
    nanos=INT32 | st.sampled_from([0, -1, 999_999_999, 10**9, 2 * 10**9]),
)
PROMPTS = st.builds(
    pb.PromptNode, id=TEXT, session_id=TEXT, content=TEXT, timestamp=STAMPS,
    metadata=st.none() | st.builds(pb.PromptMetadata, model=TEXT, temperature=st.floats(), max_tokens=st.none() | INT32,
                                   tools_available=st.lists(TEXT, max_size=3), custom=MAPS),
)  # fmt: skip
RESPONSES = st.builds(
    pb.ResponseNode, id=TEXT, prompt_id=TEXT, content=TEXT, timestamp=STAMPS,
    token_usage=st.builds(pb.TokenUsage, prompt_tokens=INT64, completion_tokens=INT64, total_tokens=INT64),
    metadata=st.none() | st.builds(pb.ResponseMetadata, model=TEXT, finish_reason=TEXT, latency_ms=INT64, custom=MAPS),
)  # fmt: skip
TOOLS = st.builds(
    pb.ToolInvocationNode, id=TEXT, response_id=TEXT, tool_name=TEXT, parameters=TEXT, status=TEXT,
    result=st.none() | TEXT, error=st.none() | TEXT, duration_ms=INT64, retry_count=INT32, timestamp=STAMPS,
    metadata=MAPS,
)  # fmt: skip
NODES = st.one_of(
    st.builds(pb.Node, id=TEXT, type=st.integers(0, 9), created_at=STAMPS, prompt=PROMPTS),
    st.builds(pb.Node, response=RESPONSES),
    st.builds(pb.Node, tool_invocation=TOOLS),
    st.just(pb.Node()),
    st.binary(max_size=20).map(lambda raw: pb.Node.FromString(b"\x6a" + bytes([len(raw)]) + raw)),  # field 13, an agent
)


@given(nodes=st.lists(NODES, max_size=4))
@example(nodes=[pb.Node(tool_invocation=pb.ToolInvocationNode(timestamp=Timestamp(seconds=1764335472000)))])
@example(nodes=[pb.Node(prompt=pb.PromptNode(metadata=pb.PromptMetadata(temperature=math.nan)))])
@examples(250)
def test_a_conversation_is_an_entry_of_the_vault_or_not_archivable(nodes: list[Any]) -> None:
    with suppress(NotArchivable):
        data = conversation("s", nodes)
        assert json.loads(canonical_json(data)) == data
        ArchiveEntrySchema().write(ArchiveEntry("s", data, 365))


@given(stamp=STAMPS)
@example(stamp=Timestamp(seconds=253_402_300_799, nanos=999_999_999))
@example(stamp=Timestamp(seconds=-62_135_596_801))
@examples(300)
def test_the_graph_stores_exactly_the_times_that_can_be_archived(stamp: Timestamp) -> None:
    assert is_stored(stamp) == is_archivable(stamp)


def is_stored(stamp: Timestamp) -> bool:
    try:
        check_timestamp(stamp)
    except Refused:
        return False
    return True


def is_archivable(stamp: Timestamp) -> bool:
    try:
        conversation("s", [pb.Node(prompt=pb.PromptNode(timestamp=stamp))])
    except NotArchivable:
        return False
    return True
