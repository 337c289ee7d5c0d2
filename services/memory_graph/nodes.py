"""Reading nodes: a page in one statement, which is made once for each set of filters."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select
from sqlalchemy.orm import Session

from ...schemas import memory_graph_pb2 as pb
from .messages import invalid, to_datetime, valid_id, valid_node_type
from .records import NodeRecord, SessionRecord

Filters = Mapping[str, Any]
_OWNER = select(SessionRecord.number).where(SessionRecord.session_id == bindparam("session_id")).scalar_subquery()
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "session_id": NodeRecord.session_number == _OWNER,
    "node_type": NodeRecord.node_type == bindparam("node_type"),
    "after": NodeRecord.created_at > bindparam("after"),
    "before": NodeRecord.created_at < bindparam("before"),
}
_COLUMNS = (NodeRecord.number, NodeRecord.node_id, NodeRecord.node_type, NodeRecord.created_at, NodeRecord.message)

_COUNTS = (
    select(SessionRecord.number, SessionRecord.session_id, func.count().label("total"))
    .join(NodeRecord, NodeRecord.session_number == SessionRecord.number)
    .where(SessionRecord.session_id.in_(bindparam("session_ids", expanding=True)))
    .group_by(SessionRecord.number)
    .order_by(SessionRecord.number)
)
_SIZES = _COUNTS.add_columns(func.sum(func.length(NodeRecord.message)).label("size_bytes"))
_OF_SESSIONS = (
    select(NodeRecord.session_number, *_COLUMNS)
    .where(NodeRecord.session_number.in_(bindparam("numbers", expanding=True)))
    .order_by(NodeRecord.session_number, NodeRecord.number)
)


def filters(request: pb.QueryRequest) -> Filters:
    """What a query asks for, by the names of its filters; refused if it is not valid."""
    if request.filters:
        raise invalid("filters are not known here")
    wanted: dict[str, Any] = {}
    if request.HasField("session_id"):
        wanted["session_id"] = valid_id(request.session_id)
    if request.HasField("node_type") and request.node_type != pb.NODE_TYPE_UNSPECIFIED:
        wanted["node_type"] = valid_node_type(request.node_type)
    for name in ("after", "before"):
        if request.HasField(name):
            wanted[name] = to_datetime(getattr(request, name))
    return wanted


def page(session: Session, wanted: Filters, size: int, skip: int) -> Sequence[Row[Any]]:
    """A page of nodes in order of insertion; each row has their `total`, too."""
    return _rows(session, _page(frozenset(wanted)), {**wanted, "size": size, "skip": skip})


def page_after(session: Session, wanted: Filters, last: int, size: int, skip: int) -> Sequence[Row[Any]]:
    """The nodes after number `last`, in order of insertion."""
    return _rows(session, _page_after(frozenset(wanted)), {**wanted, "last": last, "size": size, "skip": skip})


def count(session: Session, wanted: Filters) -> int:
    """How many nodes there are."""
    return session.scalar(_count(frozenset(wanted)), wanted) or 0


def counts(session: Session, session_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """How many nodes each of some sessions has, as `total`; a session without nodes has no row."""
    return _rows(session, _COUNTS, {"session_ids": session_ids})


def sizes(session: Session, session_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The same with the size of their messages, as `size_bytes`."""
    return _rows(session, _SIZES, {"session_ids": session_ids})


def of_sessions(session: Session, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    """All nodes of some sessions, each session's in order of insertion."""
    return _rows(session, _OF_SESSIONS, {"numbers": numbers})


def _rows(session: Session, statement: Any, values: Filters) -> Sequence[Row[Any]]:
    # On the connection: these are columns and no records, and the session would look for records in each statement.
    return session.connection().execute(statement, values).all()


@cache
def _page(names: frozenset[str]) -> Any:
    total = _count(names).correlate(None).scalar_subquery().label("total")
    return _in_order(select(*_COLUMNS, total).where(*_all(names)))


@cache
def _page_after(names: frozenset[str]) -> Any:
    return _in_order(select(*_COLUMNS).where(*_all(names), NodeRecord.number > bindparam("last")))


@cache
def _count(names: frozenset[str]) -> Any:
    return select(func.count()).select_from(NodeRecord).where(*_all(names))


def _in_order(statement: Any) -> Any:
    return statement.order_by(NodeRecord.number).limit(bindparam("size")).offset(bindparam("skip"))


def _all(names: frozenset[str]) -> list[ColumnElement[bool]]:
    return [condition for name, condition in _CONDITIONS.items() if name in names]
