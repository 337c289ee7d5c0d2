"""Inserting archives in SQLite, which has no round trips to save: look everything up, then write what is new."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy import insert as insert_into

from ..web.idempotency import Keyed
from .archives import retention_end
from .drafts import Draft
from .inserted import EarlierResponse, Inserted
from .records import ArchiveRecord, IdempotentResponse, PolicyRecord

_WANTED = bindparam("wanted", expanding=True)
_POLICIES = select(PolicyRecord.policy_id, PolicyRecord.retention_days).where(PolicyRecord.policy_id.in_(_WANTED))
_KNOWN = select(ArchiveRecord.archive_id).where(ArchiveRecord.archive_id.in_(_WANTED))
_RESPONSE = select(IdempotentResponse.fingerprint.label("fingerprint"), IdempotentResponse.body.label("body")).where(
    IdempotentResponse.route == bindparam("route"),
    IdempotentResponse.key == bindparam("key"),
    IdempotentResponse.kept_until >= bindparam("now"),
)
_TABLE: Any = ArchiveRecord.__table__
_INSERT = insert_into(_TABLE)


def insert(
    connection: Connection, drafts: Sequence[Draft], keyed: Keyed | None, expected: str, now: datetime
) -> Inserted:
    """Insert the archives whose ids are new; leaves the response to the caller."""
    stored = _stored(connection, keyed, now)
    if stored is not None:
        return Inserted(stored=stored)
    firsts = {draft.entry.id: draft for draft in reversed(drafts)}
    known = {row.archive_id for row in _found(connection, _KNOWN, firsts)}
    new = [draft for archive_id, draft in firsts.items() if archive_id not in known]
    policies = dict(map(tuple, _found(connection, _POLICIES, {one.policy_id for one in new if one.policy_id})))
    rows = [_row(draft, policies, now) for draft in new]
    if rows:
        connection.execute(_INSERT, rows)
    return Inserted({row["archive_id"]: row["policy_id"] for row in rows})


def _stored(connection: Connection, keyed: Keyed | None, now: datetime) -> EarlierResponse | None:
    if keyed is None or keyed.replaces:
        return None
    row = connection.execute(_RESPONSE, {"route": keyed.route, "key": keyed.key, "now": now}).first()
    return None if row is None else EarlierResponse(row.fingerprint, row.body)


def _found(connection: Connection, statement: Any, wanted: Collection[str]) -> Sequence[Row[Any]]:
    return connection.execute(statement, {"wanted": list(wanted)}).all() if wanted else ()


def _row(draft: Draft, policies: Mapping[str, int], now: datetime) -> dict[str, Any]:
    entry, key = draft.entry, draft.sealed.key
    kept_days = max(entry.retention_days, policies.get(draft.policy_id or "", 0))
    return {
        "archive_id": entry.id,
        "session_id": entry.session_id,
        "body": draft.sealed.body,
        "key_id": key.key_id,
        "wrapped_key": key.wrapped,
        "archived_at": entry.archived_at or now,
        "received_at": now,
        "retention_days": entry.retention_days,
        "kept_days": kept_days,
        "kept_until": retention_end(now, kept_days),
        "policy_id": draft.policy_id if draft.policy_id in policies else None,
    }
