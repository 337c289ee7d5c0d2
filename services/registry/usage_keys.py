"""The keys of usage reports that were counted, kept apart from the reports and for longer than anything can repeat one.

A key is kept as 16 or 32 bytes, together with a digest of its report's fields. A UUID is kept as it is: keys that are
made in the order of time (version 7) then lie side by side in the index, and an insert finds its page in memory.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b, sha256
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...schemas.base import canonical_json
from ...schemas.registry import UsageReport
from ..database.upsert import insert_if_absent
from ..web.conflict import conflict
from ..web.idempotency import KEY_REUSED, IdempotencyStore, sha256_fingerprint
from .records import IdempotentResponse, UsageKey

FIRST_DAY = date(1970, 1, 1)
_ROUTE = "POST /api/v1/usage"
_MAX_PURGED = 20
_KEYLESS_KEPT = timedelta(hours=1)


@dataclass(frozen=True)
class Sent:
    """A usage report as it was sent: its Idempotency-Key, and the request's body."""

    key: str | None
    body: bytes


def is_new(session: Session, key: str, sent: bytes, now: datetime, kept_days: int | None) -> bool:
    """Keep a report's key with what was sent, and return whether it is new.

    Aborts with a 409 if the key came with other fields before. `kept_days` None keeps keys for ever.
    """
    if _was_answered(session, key, sent, now):
        return False
    if kept_days is not None:
        _purge(session, key, _day(now) - kept_days)
    row = {"key": key_bytes(key), "fields": _fields_digest(sent), "day": _day(now)}
    if insert_if_absent(session, UsageKey, row):
        return True
    if session.scalars(select(UsageKey.fields).where(UsageKey.key == row["key"])).one() != row["fields"]:
        conflict(KEY_REUSED)
    return False


def once_in_an_hour(session: Session, report: UsageReport, sent: bytes, count: Callable[[], None]) -> None:
    """Count a report that came without a key, unless the same bytes came within the last hour.

    Bytes tell two reports apart only if their timestamp has a fraction of a second; without one each report counts.
    The published client repeats a lost response so.
    """
    if report.timestamp is None or not report.timestamp.microsecond:
        count()
        return
    store: IdempotencyStore = current_app.extensions["idempotency"]

    def work(session: Session) -> str:
        count()
        return ""

    store.once(session, f"{_ROUTE} without a key", sha256_fingerprint(sent, None), work, _KEYLESS_KEPT)


def key_bytes(key: str) -> bytes:
    """Return the 16 bytes of a UUID, or the SHA-256 of any other text."""
    try:
        known = UUID(key)
    except ValueError:
        return sha256(key.encode()).digest()
    return known.bytes if str(known) == key else sha256(key.encode()).digest()


def _fields_digest(sent: bytes) -> bytes:
    """Return a digest of the fields as sent: neither their order nor spaces count, and no default is filled in."""
    return blake2b(canonical_json(json.loads(sent)), digest_size=16).digest()


def _was_answered(session: Session, key: str, sent: bytes, now: datetime) -> bool:
    """Whether a release before registry_0004 answered this key; it kept the response for 7 days."""
    stored = session.get(IdempotentResponse, (_ROUTE, key))
    if stored is None or stored.kept_until < now:
        return False
    if stored.fingerprint != sha256_fingerprint(sent, None):
        conflict(KEY_REUSED)
    return True


def _purge(session: Session, key: str, before: int) -> None:
    """Drop this key if it is too old, and some others that no other request is dropping."""
    due = select(UsageKey.key).where(UsageKey.day < before).limit(_MAX_PURGED).with_for_update(skip_locked=True)
    keys = [key_bytes(key), *session.scalars(due)]
    session.execute(delete(UsageKey).where(UsageKey.key.in_(keys), UsageKey.day < before))


def _day(moment: datetime) -> int:
    return (moment.date() - FIRST_DAY) // timedelta(days=1)
