"""The Memory-Graph's conversations: sessions and the nodes added to them."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session

from ...schemas import memory_graph_pb2 as pb
from ...schemas.fields import now
from . import nodes
from .messages import (
    MAX_LIMIT,
    Refused,
    UnreadableSession,
    check_json,
    check_size,
    check_timestamp,
    invalid,
    node_message,
    non_negative,
    page_size,
    session_message,
    to_timestamp,
    valid_id,
)
from .records import NodeRecord, SessionRecord

_CONVERSATIONS_BYTES = 4 * 2**20
_NODE_BYTES = 256  # what a node takes beyond its message


def create_session(session: Session, metadata: dict[str, str]) -> pb.Session:
    """Create a conversation."""
    created_at = now()
    record = SessionRecord(session_id=str(uuid4()), created_at=created_at, updated_at=created_at, details=metadata)
    session.add(record)
    return session_message(record)


def get_session(session: Session, session_id: str) -> pb.Session:
    """A conversation's session."""
    return session_message(_get_session(session, session_id))


def list_sessions(
    session: Session, limit: int, offset: int, tell: Callable[[UnreadableSession], None]
) -> pb.ListSessionsResponse:
    """One page of sessions in order of creation, and how many there are.

    One that cannot be read is listed with what can be read of it, so that no page hides it or fails; `tell` gets it.
    """
    query = (
        select(SessionRecord)
        .order_by(SessionRecord.number)
        .limit(page_size(limit))
        .offset(non_negative(offset, "offset"))
    )
    total = session.scalar(select(func.count()).select_from(SessionRecord)) or 0
    found = [_listed(record, tell) for record in session.scalars(query)]
    return pb.ListSessionsResponse(sessions=found, total_count=total)


def _listed(record: SessionRecord, tell: Callable[[UnreadableSession], None]) -> pb.Session:
    try:
        return session_message(record)
    except UnreadableSession as error:
        tell(error)
        return error.rest


def delete_session(session: Session, session_id: str) -> None:
    """Delete a conversation with all its nodes."""
    record = _get_session(session, session_id)
    session.execute(delete(NodeRecord).where(NodeRecord.session_number == record.number))
    session.delete(record)


def add_prompt(session: Session, request: pb.AddPromptRequest) -> pb.PromptNode:
    """Add a user's prompt."""
    owner = _get_session(session, request.session_id)
    node = pb.PromptNode(id=str(uuid4()), session_id=owner.session_id, content=request.content)
    if request.HasField("metadata"):
        node.metadata.CopyFrom(request.metadata)
    node.timestamp.CopyFrom(_add_node(session, owner, node.id, pb.NODE_TYPE_PROMPT, node))
    return node


def add_response(session: Session, request: pb.AddResponseRequest) -> pb.ResponseNode:
    """Add a model's response to a prompt."""
    owner = _session_of_node(session, request.prompt_id, pb.NODE_TYPE_PROMPT, "prompt")
    usage = request.token_usage
    if min(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) < 0:
        raise invalid("token counts must not be negative")
    node = pb.ResponseNode(id=str(uuid4()), prompt_id=request.prompt_id, content=request.content, token_usage=usage)
    if request.HasField("metadata"):
        node.metadata.CopyFrom(request.metadata)
    node.timestamp.CopyFrom(_add_node(session, owner, node.id, pb.NODE_TYPE_RESPONSE, node))
    return node


def add_tool_invocation(session: Session, request: pb.ToolInvocationNode) -> pb.ToolInvocationNode:
    """Add a tool that a response called; the caller may choose its id, which must be new."""
    if not request.tool_name:
        raise invalid("tool_name is needed")
    check_json(request.parameters)
    if request.HasField("timestamp"):
        check_timestamp(request.timestamp)
    owner = _session_of_node(session, request.response_id, pb.NODE_TYPE_RESPONSE, "response")
    node = pb.ToolInvocationNode()
    node.CopyFrom(request)
    node.id = valid_id(request.id) if request.id else str(uuid4())
    if _find_node(session, node.id) is not None:
        raise Refused(grpc.StatusCode.ALREADY_EXISTS, "a node has this id already")
    _add_node(session, owner, node.id, pb.NODE_TYPE_TOOL_INVOCATION, node)
    return node


def query(session: Session, request: pb.QueryRequest) -> pb.QueryResponse:
    """One page of nodes in order of insertion, and how many there are."""
    size, skip = page_size(request.limit), non_negative(request.offset, "offset")
    wanted = nodes.filters(request)
    rows = nodes.page(session, wanted, size, skip)
    if not rows:
        _check_session(session, request)
    total = rows[0].total if rows else nodes.count(session, wanted)
    return pb.QueryResponse(nodes=[node_message(row) for row in rows], total_count=total)


def stream_page(
    session: Session, request: pb.QueryRequest, after: int, size: int, skip: int
) -> tuple[list[pb.Node], int]:
    """The nodes after number `after`, and the number of the last one."""
    rows = nodes.page_after(session, nodes.filters(request), after, size, non_negative(skip, "offset"))
    if not rows and not after:
        _check_session(session, request)
    return [node_message(row) for row in rows], rows[-1].number if rows else after


def conversations(session: Session, request: pb.GetConversationsRequest) -> pb.GetConversationsResponse:
    """Some sessions' nodes, and how many there are; who is left out, or too large, may be asked for by `query`."""
    if len(request.session_ids) > MAX_LIMIT:
        raise invalid(f"at most {MAX_LIMIT} sessions")
    wanted = [valid_id(one) for one in request.session_ids]
    found = nodes.counts(session, wanted) if request.counts_alone else nodes.sizes(session, wanted)
    fitting = [] if request.counts_alone else _fitting(found)
    rows = groupby(nodes.of_sessions(session, fitting) if fitting else [], lambda row: row.session_number)
    read = {number: _readable(some) for number, some in rows}
    return pb.GetConversationsResponse(
        conversations=[
            pb.Conversation(
                session_id=one.session_id,
                found=pb.QueryResponse(nodes=read.get(one.number, []), total_count=one.total),
            )
            for one in found
        ]
    )


def _fitting(found: Iterable[Row[Any]]) -> list[int]:
    """The sessions whose nodes have room together in one response."""
    fitting, left = list[int](), _CONVERSATIONS_BYTES
    for one in found:
        size = one.size_bytes + one.total * _NODE_BYTES
        if size <= left:
            fitting.append(one.number)
            left -= size
    return fitting


def _readable(rows: Iterable[Row[Any]]) -> list[pb.Node]:
    """A conversation's nodes; none if one cannot be read, which whoever asks for it alone is told."""
    try:
        return [node_message(row) for row in rows]
    except Exception:  # noqa: BLE001  whatever is in one row must not keep back the other conversations
        return []


def _add_node(
    session: Session,
    owner: SessionRecord,
    node_id: str,
    node_type: int,
    node: pb.PromptNode | pb.ResponseNode | pb.ToolInvocationNode,
) -> Timestamp:
    check_size(node)
    created_at = now()
    if not node.HasField("timestamp"):
        node.timestamp.CopyFrom(to_timestamp(created_at))
    owner.updated_at = max(created_at, owner.updated_at)
    session.add(
        NodeRecord(
            node_id=node_id,
            session_number=owner.number,
            node_type=node_type,
            created_at=created_at,
            message=node.SerializeToString(),
        )
    )
    return node.timestamp


def _get_session(session: Session, session_id: str) -> SessionRecord:
    wanted = SessionRecord.session_id == valid_id(session_id)
    record = session.scalars(select(SessionRecord).where(wanted)).one_or_none()
    if record is None:
        raise Refused(grpc.StatusCode.NOT_FOUND, "no session has this id")
    return record


def _session_of_node(session: Session, node_id: str, node_type: int, kind: str) -> SessionRecord:
    record = _find_node(session, valid_id(node_id))
    owner = session.get(SessionRecord, record.session_number) if record and record.node_type == node_type else None
    if owner is None:
        raise Refused(grpc.StatusCode.NOT_FOUND, f"no {kind} has this id")
    return owner


def _find_node(session: Session, node_id: str) -> NodeRecord | None:
    return session.scalars(select(NodeRecord).where(NodeRecord.node_id == node_id)).one_or_none()


def _check_session(session: Session, request: pb.QueryRequest) -> None:
    """Refuse a query for nodes of a session that does not exist."""
    if request.HasField("session_id"):
        _get_session(session, request.session_id)
