"""The Memory-Graph's messages: what is a good one, and how a record becomes one."""

import json
from datetime import UTC, datetime
from typing import Any, cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ...schemas import memory_graph_pb2 as pb
from .records import NodeRecord, SessionRecord

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
_LONGEST_ID = 256
_MESSAGES: dict[int, tuple[Any, str]] = {
    pb.NODE_TYPE_PROMPT: (pb.PromptNode, "prompt"),
    pb.NODE_TYPE_RESPONSE: (pb.ResponseNode, "response"),
    pb.NODE_TYPE_TOOL_INVOCATION: (pb.ToolInvocationNode, "tool_invocation"),
}


class Refused(Exception):
    """A call that cannot be done: a gRPC status and a short reason."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


def invalid(reason: str) -> Refused:
    """A refusal of a bad argument."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, reason)


def page(limit: int) -> int:
    """How many are answered at once: 0 asks for the default."""
    return min(natural(limit, "limit") or DEFAULT_LIMIT, LARGEST_LIMIT)


def natural(number: int, name: str) -> int:
    """The number, if it is not negative."""
    if number < 0:
        raise invalid(f"{name} must not be negative")
    return number


def known_type(node_type: int) -> int:
    """The node type, if the interface has it."""
    if node_type not in pb.NodeType.values():
        raise invalid("node_type is not known")
    return node_type


def checked_id(text: str) -> str:
    """The id, if it is one."""
    if not 1 <= len(text) <= _LONGEST_ID or "\x00" in text:
        raise invalid(f"an id has 1 to {_LONGEST_ID} characters")
    return text


def check_json(text: str) -> None:
    """Refuse what is no JSON; empty is fine."""
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise invalid("parameters must be JSON") from error


def read_moment(stamp: Timestamp) -> datetime:
    """The moment that a message names."""
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("not a timestamp") from error


def timestamp_of(moment: datetime) -> Timestamp:
    """A moment as it travels."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def session_message(record: SessionRecord) -> pb.Session:
    """A session as it travels."""
    return pb.Session(
        id=record.session_id,
        created_at=timestamp_of(record.created_at),
        updated_at=timestamp_of(record.updated_at),
        metadata=record.details,
        is_active=True,
    )


def as_node(record: NodeRecord) -> pb.Node:
    """A node as it travels."""
    message, name = _MESSAGES[record.node_type]
    node = pb.Node(id=record.node_id, type=cast(Any, record.node_type), created_at=timestamp_of(record.created_at))
    getattr(node, name).CopyFrom(message.FromString(record.message))
    return node
