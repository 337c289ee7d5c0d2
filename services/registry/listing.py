"""The Registry's listing: any page, and the exact total, without reading the rows before it.

Each transaction that changes sessions also counts them, by status, in blocks of 1024 numbers. The counts lead to the
block in which a page begins. A block that a filter's time falls into is counted session by session.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ...schemas.registry import SessionStatus
from ...schemas.rows import UnreadableRow, first_field
from ..database.upsert import greatest, least, upsert
from ..web.log import log_failure
from .records import ModelRecord, SessionBlock, SessionRecord

R = TypeVar("R", SessionRecord, ModelRecord)
M = TypeVar("M")
BLOCK = 1024
_STATUSES = tuple(map(str, SessionStatus))
# The sweep's rule: a session without an end counts with its start.
END = func.coalesce(SessionRecord.ended_at, SessionRecord.started_at)


@dataclass(frozen=True)
class Filters:
    """The sessions that a listing shows."""

    status: SessionStatus | None = None
    started_before: datetime | None = None
    ended_before: datetime | None = None

    def sessions(self, unknown: Iterable[str] = ()) -> list[ColumnElement[bool]]:
        """The filters as SQL conditions; sessions with an `unknown` status pass, too, for no caller may miss them."""
        if self.status is None:
            return self.times()
        return [SessionRecord.status.in_([self.status.value, *unknown]), *self.times()]

    def times(self) -> list[ColumnElement[bool]]:
        """The filters by time as SQL conditions."""
        wanted: list[ColumnElement[bool]] = []
        if self.started_before:
            wanted.append(SessionRecord.started_at < self.started_before)
        if self.ended_before:
            wanted.append(self.ended_before > END)
        return wanted

    def bounds(self) -> list[tuple[ColumnElement[bool], ColumnElement[bool]]]:
        """For each filter by time: whether all sessions of a block pass, and whether none does."""
        found: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = []
        if before := self.started_before:
            found.append((SessionBlock.last_start < before, SessionBlock.first_start >= before))
        if before := self.ended_before:
            found.append((SessionBlock.last_end < before, SessionBlock.first_end >= before))
        return found


def page(session: Session, filters: Filters, offset: int, size: int) -> tuple[list[SessionRecord], int]:
    """One page of sessions in the order of registration, and the total of all pages."""
    counts, unknown = _counts(session, filters)
    total = sum(count for _, count in counts)
    first, last, before = _page_blocks(counts, offset, size)
    inside = SessionRecord.number.between(first * BLOCK, last * BLOCK + BLOCK - 1)
    query = select(SessionRecord).where(inside, *filters.sessions(unknown)).order_by(SessionRecord.number)
    found = session.scalars(query.offset(offset - before).limit(size)).all() if offset < total else []
    return list(found), total


def readable(records: Iterable[R], read: Callable[[R], M]) -> tuple[list[M], list[UnreadableRow]]:
    """What can be read of a page, and its other rows, such as those of an earlier release; these are logged, too.

    `read` raises a ValidationError that names the fields.
    """
    found, unreadable = list[M](), list[UnreadableRow]()
    for index, record in enumerate(records):
        try:
            found.append(read(record))
        except ValidationError as error:
            unreadable.append(UnreadableRow(index, first_field(error.messages)))
            log_failure(error, {"table": record.__tablename__, "row": record.number, "field": unreadable[-1].field})
    return found, unreadable


def count_added(session: Session, record: SessionRecord) -> None:
    """Count a new session under its status."""
    upsert(session, SessionBlock, ("block", "status"), [_block_of(record)], _counted_with)


def count_removed(session: Session, record: SessionRecord) -> None:
    """Stop counting a deleted session; its block's bounds stay, and may be wider than necessary."""
    _add_to_count(session, record.number // BLOCK, record.status, -1)


def count_moved(session: Session, moved: Iterable[tuple[SessionRecord, str]]) -> None:
    """Move the counts of sessions from the statuses that they had, in the key's order: no two transactions deadlock."""
    left, joined = Counter[tuple[int, str]](), dict[tuple[int, str], dict[str, Any]]()
    for record, before in moved:
        row = _block_of(record)
        left[row["block"], before] += 1
        key = (row["block"], row["status"])
        joined[key] = _together(joined[key], row) if key in joined else row
    for block, status in sorted({*left, *joined}):
        if (block, status) in joined:
            upsert(session, SessionBlock, ("block", "status"), [joined[block, status]], _counted_with)
        if (block, status) in left:
            _add_to_count(session, block, status, -left[block, status])


def _block_of(record: SessionRecord) -> dict[str, Any]:
    """Return the row of a block that holds this session alone."""
    ended_at = record.ended_at or record.started_at
    row: dict[str, Any] = {"block": record.number // BLOCK, "status": record.status, "sessions": 1}
    row |= {"first_start": record.started_at, "last_start": record.started_at}
    return row | {"first_end": ended_at, "last_end": ended_at}


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    together = {**one, "sessions": one["sessions"] + other["sessions"]}
    together |= {name: min(one[name], other[name]) for name in ("first_start", "first_end")}
    return together | {name: max(one[name], other[name]) for name in ("last_start", "last_end")}


def _counted_with(new: Any) -> dict[str, Any]:
    return {
        "sessions": SessionBlock.sessions + new.sessions,
        "first_start": least(SessionBlock.first_start, new.first_start),
        "last_start": greatest(SessionBlock.last_start, new.last_start),
        "first_end": least(SessionBlock.first_end, new.first_end),
        "last_end": greatest(SessionBlock.last_end, new.last_end),
    }


def _add_to_count(session: Session, block: int, status: str, more: int) -> None:
    mine = (SessionBlock.block == block, SessionBlock.status == status)
    session.execute(update(SessionBlock).where(*mine).values(sessions=SessionBlock.sessions + more))


def _counts(session: Session, filters: Filters) -> tuple[list[tuple[int, int]], set[str]]:
    """How many sessions of each block a listing shows, and the unknown statuses of some that a filter lets pass."""
    is_unknown = SessionBlock.status.not_in(_STATUSES)
    count, unknown = func.sum(_count(filters)), func.sum(case((is_unknown, 1), else_=0))
    query = select(SessionBlock.block, count, unknown).group_by(SessionBlock.block).order_by(SessionBlock.block)
    if filters.status:
        query = query.where(or_(SessionBlock.status == filters.status.value, is_unknown))
    found = session.execute(query).all()
    words = select(SessionBlock.status).where(is_unknown).distinct()
    statuses = set(session.scalars(words)) if filters.status and any(row[2] for row in found) else set[str]()
    return [(block, int(number)) for block, number, _ in found], statuses


def _count(filters: Filters) -> ColumnElement[int]:
    bounds = filters.bounds()
    if not bounds:
        return SessionBlock.sessions.expression
    all_pass, none_passes = and_(*(inside for inside, _ in bounds)), or_(*(outside for _, outside in bounds))
    return case((all_pass, SessionBlock.sessions), (none_passes, 0), else_=_counted(filters))


def _counted(filters: Filters) -> ScalarSelect[int]:
    """How many sessions of a block pass the filters by time, if one of them lies between the block's bounds."""
    first = SessionBlock.block * BLOCK
    inside = (SessionRecord.number >= first, SessionRecord.number < first + BLOCK)
    mine = (SessionRecord.status == SessionBlock.status, *inside, *filters.times())
    return select(func.count()).select_from(SessionRecord).where(*mine).correlate(SessionBlock).scalar_subquery()


def _page_blocks(counts: Iterable[tuple[int, int]], offset: int, size: int) -> tuple[int, int, int]:
    """A page's first and last block, and how many sessions come before the first."""
    filled = [(block, count) for block, count in counts if count]
    ends = list(accumulate(count for _, count in filled))
    page = [
        (block, end - count)
        for (block, count), end in zip(filled, ends, strict=True)
        if end > offset and end - count < offset + size
    ]
    return (page[0][0], page[-1][0], page[0][1]) if page else (0, 0, 0)
