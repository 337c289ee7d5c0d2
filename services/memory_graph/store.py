"""The Memory-Graph's conversations: sessions and the nodes added to them."""

from uuid import uuid4

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from ...schemas import memory_graph_pb2 as pb
from ...schemas.fields import now
from .messages import (
    Refused,
    as_node,
    check_json,
    checked_id,
    invalid,
    known_type,
    natural,
    page,
    read_moment,
    session_message,
    timestamp_of,
)
from .records import NodeRecord, SessionRecord


def create_session(session: Session, metadata: dict[str, str]) -> pb.Session:
    """Begin a conversation."""
    moment = now()
    record = SessionRecord(session_id=str(uuid4()), created_at=moment, updated_at=moment, details=metadata)
    session.add(record)
    return session_message(record)


def get_session(session: Session, session_id: str) -> pb.Session:
    """Show a conversation's session."""
    return session_message(_found(session, session_id))


def list_sessions(session: Session, limit: int, offset: int) -> pb.ListSessionsResponse:
    """Some sessions in the order of their creation."""
    query = select(SessionRecord).order_by(SessionRecord.number).limit(page(limit)).offset(natural(offset, "offset"))
    total = session.scalar(select(func.count()).select_from(SessionRecord)) or 0
    found = [session_message(record) for record in session.scalars(query)]
    return pb.ListSessionsResponse(sessions=found, total_count=total)


def delete_session(session: Session, session_id: str) -> None:
    """Forget a conversation with all its nodes."""
    record = _found(session, session_id)
    session.execute(delete(NodeRecord).where(NodeRecord.session_number == record.number))
    session.delete(record)


def add_prompt(session: Session, asked: pb.AddPromptRequest) -> pb.PromptNode:
    """Add what a user said."""
    owner = _found(session, asked.session_id)
    node = pb.PromptNode(id=str(uuid4()), session_id=owner.session_id, content=asked.content)
    if asked.HasField("metadata"):
        node.metadata.CopyFrom(asked.metadata)
    node.timestamp.CopyFrom(_add(session, owner, node.id, pb.NODE_TYPE_PROMPT, node))
    return node


def add_response(session: Session, asked: pb.AddResponseRequest) -> pb.ResponseNode:
    """Add what a model answered to a prompt."""
    owner = _owner(session, asked.prompt_id, pb.NODE_TYPE_PROMPT, "prompt")
    usage = asked.token_usage
    if min(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) < 0:
        raise invalid("token counts must not be negative")
    node = pb.ResponseNode(id=str(uuid4()), prompt_id=asked.prompt_id, content=asked.content, token_usage=usage)
    if asked.HasField("metadata"):
        node.metadata.CopyFrom(asked.metadata)
    node.timestamp.CopyFrom(_add(session, owner, node.id, pb.NODE_TYPE_RESPONSE, node))
    return node


def add_tool_invocation(session: Session, asked: pb.ToolInvocationNode) -> pb.ToolInvocationNode:
    """Add a tool that a response called; an id of the caller's own is kept, and comes once."""
    if not asked.tool_name:
        raise invalid("tool_name is needed")
    check_json(asked.parameters)
    owner = _owner(session, asked.response_id, pb.NODE_TYPE_RESPONSE, "response")
    node = pb.ToolInvocationNode()
    node.CopyFrom(asked)
    node.id = checked_id(asked.id) if asked.id else str(uuid4())
    if _node(session, node.id) is not None:
        raise Refused(grpc.StatusCode.ALREADY_EXISTS, "a node has this id already")
    _add(session, owner, node.id, pb.NODE_TYPE_TOOL_INVOCATION, node)
    return node


def query(session: Session, asked: pb.QueryRequest) -> pb.QueryResponse:
    """Some nodes in the order of their insertion, and how many there are in all."""
    wanted = _filters(session, asked)
    total = session.scalar(select(func.count()).select_from(NodeRecord).where(*wanted)) or 0
    found = select(NodeRecord).where(*wanted).order_by(NodeRecord.number)
    records = session.scalars(found.limit(page(asked.limit)).offset(natural(asked.offset, "offset")))
    return pb.QueryResponse(nodes=[as_node(record) for record in records], total_count=total)


def stream_page(
    session: Session, asked: pb.QueryRequest, after: int, size: int, skip: int
) -> tuple[list[pb.Node], int]:
    """The next nodes after the one with the number `after`, and the last one's number."""
    wanted = [*_filters(session, asked), NodeRecord.number > after]
    found = select(NodeRecord).where(*wanted).order_by(NodeRecord.number).limit(size).offset(natural(skip, "offset"))
    records = session.scalars(found).all()
    return [as_node(record) for record in records], records[-1].number if records else after


def _add(
    session: Session,
    owner: SessionRecord,
    node_id: str,
    node_type: int,
    node: pb.PromptNode | pb.ResponseNode | pb.ToolInvocationNode,
) -> Timestamp:
    moment = now()
    if not node.HasField("timestamp"):
        node.timestamp.CopyFrom(timestamp_of(moment))
    owner.updated_at = max(moment, owner.updated_at)
    session.add(
        NodeRecord(
            node_id=node_id,
            session_number=owner.number,
            node_type=node_type,
            created_at=moment,
            message=node.SerializeToString(),
        )
    )
    return node.timestamp


def _found(session: Session, session_id: str) -> SessionRecord:
    wanted = SessionRecord.session_id == checked_id(session_id)
    record = session.scalars(select(SessionRecord).where(wanted)).one_or_none()
    if record is None:
        raise Refused(grpc.StatusCode.NOT_FOUND, "no session has this id")
    return record


def _owner(session: Session, node_id: str, node_type: int, kind: str) -> SessionRecord:
    record = _node(session, checked_id(node_id))
    owner = session.get(SessionRecord, record.session_number) if record and record.node_type == node_type else None
    if owner is None:
        raise Refused(grpc.StatusCode.NOT_FOUND, f"no {kind} has this id")
    return owner


def _node(session: Session, node_id: str) -> NodeRecord | None:
    return session.scalars(select(NodeRecord).where(NodeRecord.node_id == node_id)).one_or_none()


def _filters(session: Session, asked: pb.QueryRequest) -> list[ColumnElement[bool]]:
    if asked.filters:
        raise invalid("filters are not known here")
    wanted: list[ColumnElement[bool]] = []
    if asked.HasField("session_id"):
        wanted.append(NodeRecord.session_number == _found(session, asked.session_id).number)
    if asked.HasField("node_type") and asked.node_type != pb.NODE_TYPE_UNSPECIFIED:
        wanted.append(NodeRecord.node_type == known_type(asked.node_type))
    if asked.HasField("after"):
        wanted.append(NodeRecord.created_at > read_moment(asked.after))
    if asked.HasField("before"):
        wanted.append(NodeRecord.created_at < read_moment(asked.before))
    return wanted
