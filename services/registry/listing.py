"""The Registry's listing: any page, and the exact total, without reading the rows before it.

Each transaction that changes sessions also counts them, by status, in blocks of 1024 numbers. The counts lead to the
block in which a page begins. A block that `started_before` falls into is counted by its index entries.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, case, func, select, update
from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ..database.upsert import greatest, least, upsert
from ..web.log import log_failure
from .records import ModelRecord, SessionBlock, SessionRecord

R = TypeVar("R", SessionRecord, ModelRecord)
M = TypeVar("M")
BLOCK = 1024


@dataclass(frozen=True)
class Filters:
    """The sessions that a listing shows."""

    status: str | None = None
    started_before: datetime | None = None

    def sessions(self) -> list[ColumnElement[bool]]:
        """The filters as SQL conditions."""
        wanted: list[ColumnElement[bool]] = []
        if self.status:
            wanted.append(SessionRecord.status == self.status)
        if self.started_before:
            wanted.append(SessionRecord.started_at < self.started_before)
        return wanted


def page(session: Session, filters: Filters, offset: int, size: int) -> tuple[list[SessionRecord], int]:
    """One page of sessions in the order of registration, and the total of all pages."""
    counts = _counts(session, filters)
    total = sum(count for _, count in counts)
    first, last, before = _page_blocks(counts, offset, size)
    inside = SessionRecord.number.between(first * BLOCK, last * BLOCK + BLOCK - 1)
    query = select(SessionRecord).where(inside, *filters.sessions()).order_by(SessionRecord.number)
    found = session.scalars(query.offset(offset - before).limit(size)).all() if offset < total else []
    return list(found), total


def readable(records: Iterable[R], read: Callable[[R], M]) -> Iterator[M]:
    """What can be read of a page; other rows, such as those of an earlier release, are logged and left out."""
    for record in records:
        try:
            yield read(record)
        except (ValueError, ValidationError) as error:
            log_failure(error, {"table": record.__tablename__, "row": record.number})


def count_added(session: Session, record: SessionRecord) -> None:
    """Count a new session under its status."""
    row = {"block": record.number // BLOCK, "status": record.status, "sessions": 1}
    row |= {"first_start": record.started_at, "last_start": record.started_at}
    upsert(
        session, SessionBlock, ["block", "status"], row,
        lambda new: {
            "sessions": SessionBlock.sessions + 1,
            "first_start": least(SessionBlock.first_start, new.first_start),
            "last_start": greatest(SessionBlock.last_start, new.last_start),
        },
    )  # fmt: skip


def count_removed(session: Session, record: SessionRecord) -> None:
    """Stop counting a deleted session; its block's bounds stay, and may be wider than necessary."""
    _add_to_count(session, record.number // BLOCK, record.status, -1)


def count_moved(session: Session, record: SessionRecord, status: str) -> None:
    """Set a session's status and move its count, in the key's order, so that two transactions never deadlock."""
    before, record.status = record.status, status
    steps = {before: lambda: _add_to_count(session, record.number // BLOCK, before, -1)}
    steps[status] = lambda: count_added(session, record)
    for name in sorted(steps):
        steps[name]()


def _add_to_count(session: Session, block: int, status: str, more: int) -> None:
    mine = (SessionBlock.block == block, SessionBlock.status == status)
    session.execute(update(SessionBlock).where(*mine).values(sessions=SessionBlock.sessions + more))


def _counts(session: Session, filters: Filters) -> list[tuple[int, int]]:
    count = func.sum(_count(filters.started_before))
    query = select(SessionBlock.block, count).group_by(SessionBlock.block).order_by(SessionBlock.block)
    if filters.status:
        query = query.where(SessionBlock.status == filters.status)
    return [(block, int(number)) for block, number in session.execute(query)]


def _count(before: datetime | None) -> ColumnElement[int]:
    if before is None:
        return SessionBlock.sessions.expression
    cases = ((SessionBlock.last_start < before, SessionBlock.sessions), (SessionBlock.first_start >= before, 0))
    return case(*cases, else_=_started_before(before))


def _started_before(before: datetime) -> ScalarSelect[int]:
    """How many sessions of a block started before a time that lies between its bounds."""
    first = SessionBlock.block * BLOCK
    inside = (SessionRecord.number >= first, SessionRecord.number < first + BLOCK)
    mine = (SessionRecord.status == SessionBlock.status, *inside, SessionRecord.started_at < before)
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
