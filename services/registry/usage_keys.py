"""The keys of usage reports that were counted, kept apart from the reports and for longer than anything can repeat one.

A key is kept as 16 or 32 bytes, together with a digest of its report's fields. A UUID is kept as it is: keys that are
made in the order of time (version 7) then lie side by side in the index, and an insert finds its page in memory.
"""

import re
from datetime import date, datetime, timedelta
from hashlib import blake2b, sha256
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...schemas.canonical import canonical_json
from ..web.cleaning import SLICE
from .counted import Days
from .records import UsageKey

FIRST_DAY = date(1970, 1, 1)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def key_bytes(key: str) -> bytes:
    """Return the 16 bytes of a UUID in its usual form, or the SHA-256 of any other text."""
    return bytes.fromhex(key.replace("-", "")) if _UUID(key) else sha256(key.encode()).digest()


def fields_digest(fields: Any) -> bytes:
    """Return a digest of the fields as sent: neither their order nor spaces count, and no default is filled in."""
    return blake2b(canonical_json(fields), digest_size=16).digest()


def days(now: datetime, kept_days: int | None) -> Days:
    """Return today, and the first day whose keys are still known; `kept_days` None keeps keys for ever."""
    today = (now.date() - FIRST_DAY) // timedelta(days=1)
    return Days(today, 0 if kept_days is None else today - kept_days)


def purge(session: Session, first_day: int) -> int:
    """Delete some of the keys from before a day, none that another is deleting; returns how many."""
    due = select(UsageKey.key).where(UsageKey.day < first_day).limit(SLICE).with_for_update(skip_locked=True)
    keys = list(session.scalars(due))
    if keys:
        session.execute(delete(UsageKey).where(UsageKey.key.in_(keys)))
    return len(keys)
