"""How long the rows of usage reports are kept: the oldest go, a slice at a time, and no sum changes with them.

Rows are numbered in the order in which they come. The first cleaning of a day notes the newest number: rows up to it
came on that day or before. So a row needs neither the time of its receipt nor an index by it.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..database.storage import Storage
from ..web.cleaning import SLICE
from .records import UsageDay, UsageRecord
from .usage_keys import days


class UsageRetention:
    """Deletes the rows of usage reports that are older than a number of days."""

    def __init__(self, storage: Storage, kept_days: int | None, now: Callable[[], datetime]) -> None:
        """`kept_days` is how long rows are kept, None for ever."""
        self._storage, self._kept_days, self._now = storage, kept_days, now
        # No row up to this number is left. Looking again would read what PostgreSQL keeps of each until it vacuums.
        self._gone_to = 0

    def purge(self) -> int:
        """Delete some of the rows that are too old; returns how many."""
        today, first_day = self._days()
        deleted, self._gone_to = self._storage.write(lambda session: _purge(session, today, first_day, self._gone_to))
        return deleted

    def _days(self) -> tuple[int, int]:
        known = days(self._now(), self._kept_days)
        return known.today, known.first


def _purge(session: Session, today: int, first_day: int, gone_to: int) -> tuple[int, int]:
    """Note today, delete rows from before a day, and return how many and up to which number none is left."""
    if session.get(UsageDay, today) is None:
        session.add(UsageDay(day=today, last_number=session.scalar(select(func.max(UsageRecord.number))) or 0))
    last = session.scalar(select(func.max(UsageDay.last_number)).where(UsageDay.day < first_day)) or 0
    rows = (UsageRecord.number > gone_to, UsageRecord.number <= last)
    nth = select(UsageRecord.number).where(*rows).order_by(UsageRecord.number).offset(SLICE - 1).limit(1)
    end = session.scalar(nth) or max(last, gone_to)
    gone = delete(UsageRecord).where(UsageRecord.number > gone_to, UsageRecord.number <= end)
    return session.connection().execute(gone).rowcount, end
