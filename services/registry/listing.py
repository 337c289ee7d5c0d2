"""The Registry's listing: any page and its exact total without reading the rows before it.

Sessions are counted in blocks of 1024 numbers, by status, in the transaction that changes them. A page begins in the
block that the counts lead to. A block that `started_before` cuts through is counted by its index entries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from sqlalchemy import ColumnElement, ScalarSelect, case, func, select, update
from sqlalchemy.orm import Session

from ..database.upsert import greatest, least, upsert
from .records import SessionBlock, SessionRecord

BLOCK = 1024


@dataclass(frozen=True)
class Filters:
    """Which sessions a listing shows."""

    status: str | None = None
    started_before: datetime | None = None

    def sessions(self) -> list[ColumnElement[bool]]:
        """As conditions on sessions."""
        wanted: list[ColumnElement[bool]] = []
        if self.status:
            wanted.append(SessionRecord.status == self.status)
        if self.started_before:
            wanted.append(SessionRecord.started_at < self.started_before)
        return wanted


def page(session: Session, filters: Filters, offset: int, size: int) -> tuple[list[SessionRecord], int]:
    """Some sessions in the order of registration, and how many there are in all."""
    counts = _counts(session, filters)
    total = sum(count for _, count in counts)
    first, last, before = _span(counts, offset, size)
    inside = SessionRecord.number.between(first * BLOCK, last * BLOCK + BLOCK - 1)
    query = select(SessionRecord).where(inside, *filters.sessions()).order_by(SessionRecord.number)
    found = session.scalars(query.offset(offset - before).limit(size)).all() if offset < total else []
    return list(found), total


def count_in(session: Session, record: SessionRecord) -> None:
    """Count a session under its status."""
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


def count_out(session: Session, record: SessionRecord) -> None:
    """Count a session no longer under its status; the block's bounds stay, and are then wider than they need be."""
    _block_of(session, record.number // BLOCK, record.status, -1)


def count_over(session: Session, record: SessionRecord, status: str) -> None:
    """Count a session under another status, and set it; in the order of the key, so that two never wait in a ring."""
    before, record.status = record.status, status
    steps = {before: lambda: _block_of(session, record.number // BLOCK, before, -1)}
    steps[status] = lambda: count_in(session, record)
    for name in sorted(steps):
        steps[name]()


def _block_of(session: Session, block: int, status: str, more: int) -> None:
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
    return case(*cases, else_=_cut(before))


def _cut(before: datetime) -> ScalarSelect[int]:
    """How many sessions of a block started before the moment that lies between its bounds."""
    first = SessionBlock.block * BLOCK
    inside = (SessionRecord.number >= first, SessionRecord.number < first + BLOCK)
    mine = (SessionRecord.status == SessionBlock.status, *inside, SessionRecord.started_at < before)
    return select(func.count()).select_from(SessionRecord).where(*mine).correlate(SessionBlock).scalar_subquery()


def _span(counts: Iterable[tuple[int, int]], offset: int, size: int) -> tuple[int, int, int]:
    """The first and the last block of a page, and how many sessions come before the first."""
    filled = [(block, count) for block, count in counts if count]
    ends = list(accumulate(count for _, count in filled))
    page = [
        (block, end - count)
        for (block, count), end in zip(filled, ends, strict=True)
        if end > offset and end - count < offset + size
    ]
    return (page[0][0], page[-1][0], page[0][1]) if page else (0, 0, 0)
