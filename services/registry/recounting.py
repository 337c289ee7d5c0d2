"""Comparing the counts of the listing with the sessions, some blocks a minute, and counting wrong blocks again.

Each change through the API keeps its counts right. They are wrong after somebody changed a session in the database, and
listings by status could then miss sessions for ever, and so could a sweep.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Executable, Integer, delete, func, insert, literal_column, select, text
from sqlalchemy.orm import Session

from ..database.storage import BROKEN, Storage
from .listing import BLOCK, END
from .records import SessionBlock, SessionRecord

BLOCKS = 32  # that one run compares
_BOUNDS = ("first_start", "last_start", "first_end", "last_end")
_WIDEST = {"first": datetime.min.replace(tzinfo=UTC), "last": datetime.max.replace(tzinfo=UTC)}


class Recounting:
    """Compares the counts with the sessions, from the first block to the last, and begins again."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._next = 0

    def run(self) -> int:
        """Compare the next blocks and count those again that are wrong; returns 0, for it deletes no row."""
        first, last = self._next, self._next + BLOCKS - 1
        with self._storage.read() as session:
            wrong, newest = _wrong(session, first, last), _newest(session)
        for block in wrong:
            self._storage.write(lambda session, block=block: _count_again(session, block))
        self._next = 0 if last >= newest else last + 1
        return 0


def _newest(session: Session) -> int:
    """The newest block that has sessions or counts."""
    number = session.scalar(select(func.max(SessionRecord.number))) or 0
    return max(number // BLOCK, session.scalar(select(func.max(SessionBlock.block))) or 0)


def _wrong(session: Session, first: int, last: int) -> list[int]:
    """The blocks whose counts differ, or whose bounds do not hold every session; wider ones do no harm."""
    stored = _by_key(session.execute(_stored(first, last)).mappings().all())
    counted = _by_key(session.execute(_counted(first, last)).mappings().all())
    keys = [key for key in {*stored, *counted} if not _agree(stored.get(key), counted.get(key))]
    return sorted({block for block, _ in keys})


def _agree(stored: Any, counted: Any) -> bool:
    if stored is None or counted is None:
        return stored is counted
    if stored["sessions"] != counted["sessions"]:
        return False
    outermost = {name: min if name.startswith("first") else max for name in _BOUNDS}
    try:
        return all(pick(stored[name], counted[name]) == stored[name] for name, pick in outermost.items())
    except TypeError:  # a session has a time that is none, which no bound can hold
        return True


def _by_key(rows: Sequence[Any]) -> dict[tuple[int, str], Any]:
    return {(row["block"], row["status"]): row for row in rows}


def _stored(first: int, last: int) -> Executable:
    table = SessionBlock.__table__
    return select(*table.columns).where(SessionBlock.block.between(first, last), SessionBlock.sessions != 0)


def _counted(first: int, last: int) -> Executable:
    # A literal, because PostgreSQL would not see that two parameters are the same.
    block = (SessionRecord.number // literal_column(str(BLOCK), Integer)).label("block")
    started, ended = SessionRecord.started_at, END
    return (
        select(
            block,
            SessionRecord.status,
            func.count().label("sessions"),
            func.min(started).label("first_start"),
            func.max(started).label("last_start"),
            func.min(ended).label("first_end"),
            func.max(ended).label("last_end"),
        )
        .where(SessionRecord.number.between(first * BLOCK, last * BLOCK + BLOCK - 1))
        .group_by(block, SessionRecord.status)
    )


def _count_again(session: Session, block: int) -> None:
    """Count a block while nobody else changes counts; whoever has changed a session changes its count afterwards."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE session_blocks IN SHARE ROW EXCLUSIVE MODE"))
    counted = [_storable(row) for row in session.execute(_counted(block, block)).mappings()]
    session.execute(delete(SessionBlock).where(SessionBlock.block == block))
    if counted:
        session.execute(insert(SessionBlock), counted)


def _storable(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A count, with the widest bounds where a session's time is none."""
    widest = {name: _WIDEST[name.partition("_")[0]] for name in _BOUNDS if row[name] is BROKEN}
    return {**row, **widest}
