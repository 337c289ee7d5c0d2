"""The Memory-Graph's messages: checks of requests, and records as messages."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from ...schemas import memory_graph_pb2 as pb
from .records import SessionRecord

MAX_MESSAGE_BYTES = 64 * 2**20
_RESPONSE_BYTES = 2**12  # what a response with one node adds to it
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_MAX_ID_LENGTH = 256
_FIRST_SECOND, _LAST_SECOND, _NANOS = -62_135_596_800, 253_402_300_799, 10**9
_MESSAGES: dict[int, tuple[Any, str]] = {
    pb.NODE_TYPE_PROMPT: (pb.PromptNode, "prompt"),
    pb.NODE_TYPE_RESPONSE: (pb.ResponseNode, "response"),
    pb.NODE_TYPE_TOOL_INVOCATION: (pb.ToolInvocationNode, "tool_invocation"),
}


class Refused(Exception):
    """A call that is refused: a gRPC status and a short reason."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class UnreadableSession(Exception):
    """The row of a session with columns that no message can hold; `rest` is what is left of it."""

    def __init__(self, row: int, rest: pb.Session, columns: list[str]) -> None:
        super().__init__(row, columns)
        self.row, self.rest, self.columns = row, rest, columns

    @property
    def reason(self) -> str:
        """What is wrong, and what to do."""
        columns = ", ".join(self.columns)
        return f"the stored session cannot be read ({columns}); repair its row, restore a backup, or delete the session"


def invalid(reason: str) -> Refused:
    """A refusal because of an invalid argument."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, reason)


def page_size(limit: int) -> int:
    """The size of a page; 0 asks for the default."""
    return min(non_negative(limit, "limit") or DEFAULT_LIMIT, MAX_LIMIT)


def non_negative(number: int, name: str) -> int:
    """The number; refused if negative."""
    if number < 0:
        raise invalid(f"{name} must not be negative")
    return number


def valid_node_type(node_type: int) -> int:
    """The node type; refused if unknown."""
    if node_type not in pb.NodeType.values():
        raise invalid("node_type is not known")
    return node_type


def valid_id(text: str) -> str:
    """The id; refused if invalid."""
    if not 1 <= len(text) <= _MAX_ID_LENGTH or "\x00" in text:
        raise invalid(f"an id has 1 to {_MAX_ID_LENGTH} characters")
    return text


def check_json(text: str) -> None:
    """Refuse text that is not JSON; empty text is accepted."""
    try:
        json.loads(text or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise invalid("parameters must be JSON") from error


def _refuse(constant: str) -> None:
    raise ValueError("not a JSON number")


def check_size(node: Message) -> None:
    """Refuse a node that could be stored, but is too large for a response with it."""
    if node.ByteSize() > MAX_MESSAGE_BYTES - _RESPONSE_BYTES:
        raise invalid("the node is larger than a response may be (64 MiB)")  # RESOURCE_EXHAUSTED would ask for patience


def check_timestamp(stamp: Timestamp) -> None:
    """Refuse what no reader could show: a second outside the years 1 to 9999, or nanoseconds that are no fraction."""
    if not (_FIRST_SECOND <= stamp.seconds <= _LAST_SECOND and 0 <= stamp.nanos < _NANOS):
        raise invalid("timestamp must be in the years 0001 to 9999, in seconds and nanoseconds (not milliseconds)")


def to_datetime(stamp: Timestamp) -> datetime:
    """A message's timestamp as a datetime; refused if out of range."""
    try:
        check_timestamp(stamp)
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("not a timestamp") from error


def to_timestamp(time: datetime) -> Timestamp:
    """A datetime as a message."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def session_message(record: SessionRecord) -> pb.Session:
    """A session as a message.

    Raises: UnreadableSession naming the columns that no message can hold.
    """
    found, wrong = pb.Session(is_active=True), list[str]()
    for column, fill in _FILL.items():
        try:
            fill(found, getattr(record, column))
        except (ValueError, TypeError, AttributeError, OverflowError):
            wrong.append(column)
    if wrong:
        raise UnreadableSession(record.number, found, wrong)
    return found


def _fill_metadata(message: pb.Session, stored: Any) -> None:
    if not isinstance(stored, dict):
        raise TypeError("no JSON object")
    message.metadata.update(pb.Session(metadata=cast("dict[str, str]", stored)).metadata)  # all of it or nothing


# How each column of a session gets into its message; each fails without having changed it.
_FILL: dict[str, Callable[[pb.Session, Any], None]] = {
    "session_id": lambda message, stored: message.MergeFrom(pb.Session(id=stored)),
    "created_at": lambda message, stored: message.created_at.CopyFrom(to_timestamp(stored)),
    "updated_at": lambda message, stored: message.updated_at.CopyFrom(to_timestamp(stored)),
    "details": _fill_metadata,
}


def node_message(record: Row[Any]) -> pb.Node:
    """A node as a message."""
    message, name = _MESSAGES[record.node_type]
    node = pb.Node(id=record.node_id, type=record.node_type, created_at=to_timestamp(record.created_at))
    getattr(node, name).CopyFrom(message.FromString(record.message))
    return node
