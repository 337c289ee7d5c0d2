"""The Vault's archives: written once, kept until their retention ends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from ...schemas.base import canonical_json
from ...schemas.fields import LAST_TIME, format_timestamp
from ...schemas.refusals import Refusal, RefusalReason
from ...schemas.vault import ArchiveEntry, ArchiveResponse
from ..web.conflict import conflict
from . import deletions as vault_deletions
from .keys import KeyRing, WrappedKey
from .records import ArchiveRecord
from .seal import Ids, Sealed, SealOptions, seal, unseal

# Separates the details from the data; canonical JSON contains no line break.
_SEPARATOR = b"\n"
NO_POLICIES: Mapping[str, int] = {}
OTHER_CONTENT = Refusal(RefusalReason.OTHER_CONTENT)


class Refused(Exception):
    """An archive that cannot be stored: an HTTP status, a short text, and the refusal if it is a known one."""

    def __init__(self, status: int, reason: str, refusal: Refusal | None = None) -> None:
        super().__init__(status, reason, refusal)
        self.status, self.reason, self.refusal = status, reason, refusal


@dataclass(frozen=True)
class ArchiveOptions:
    """How entries are stored: their maximum size, the form that the headers ask for, the keys to seal with."""

    max_bytes: int
    seal_options: SealOptions
    ring: KeyRing


@dataclass(frozen=True)
class Draft:
    """An entry sealed outside the transaction, so that no lock waits for encryption."""

    entry: ArchiveEntry
    data: bytes
    sealed: Sealed
    policy_id: str | None = None


def make_draft(entry: ArchiveEntry, options: ArchiveOptions, policy_id: str | None = None) -> Draft:
    """Seal an entry, ready to be stored.

    Raises: Refused if it is too large.
    """
    data = canonical_json(entry.data)
    if len(data) + len(canonical_json([entry.metadata, entry.tags])) > options.max_bytes:
        raise Refused(413, f"too large: an archive may have {options.max_bytes} bytes")
    content = canonical_json({"metadata": entry.metadata, "tags": entry.tags}) + _SEPARATOR + data
    sealed = seal(content, Ids(entry.id, entry.session_id), options.seal_options, options.ring)
    return Draft(entry, data, sealed, policy_id)


def store(
    session: Session, draft: Draft, ring: KeyRing, now: datetime, policies: Mapping[str, int] = NO_POLICIES
) -> ArchiveResponse:
    """Store an archive, under its policy if that is one of `policies`; a repeat of the same content changes nothing.

    Raises: Refused if its id holds other content, Unreadable if the stored content cannot be read.
    """
    record = session.get(ArchiveRecord, draft.entry.id)
    if record is None:
        record = _record(draft, now, policies)
        session.add(record)
        session.flush()
    elif not _is_same(record, draft, ring):
        raise Refused(409, "conflict: an archive with this id holds other content", OTHER_CONTENT)
    return ArchiveResponse(
        record.archive_id,
        record.session_id,
        "archived",
        record.archived_at,
        record.received_at,
        record.kept_until,
        record.policy_id,
    )


def retrieve(session: Session, archive_id: str, ring: KeyRing) -> str:
    """The archive as JSON text, with the stored bytes of its data.

    Raises: Unreadable.
    """
    record = get(session, archive_id, with_body=True)
    details, data = _content(record, ring)
    envelope = {
        "id": record.archive_id,
        "session_id": record.session_id,
        "archived_at": format_timestamp(record.archived_at),
        "received_at": format_timestamp(record.received_at),
        "kept_until": format_timestamp(record.kept_until),
        "retention_days": record.kept_days,
        "tags": details["tags"],
        "metadata": details["metadata"],
        **({"policy_id": record.policy_id} if record.policy_id else {}),
        "newest_archive_id": newest_of(session, record.session_id),
    }
    return f'{json.dumps(envelope, ensure_ascii=False)[:-1]}, "data": {data.decode()}}}'


def delete(session: Session, archive_id: str, now: datetime) -> None:
    """Delete an archive, a 409 until its retention has ended; does nothing if it does not exist."""
    record = session.get(ArchiveRecord, archive_id, with_for_update=True)
    if record is None:
        return
    if now < record.kept_until:
        conflict(Refusal(RefusalReason.RETENTION_NOT_OVER, kept_until=record.kept_until))
    vault_deletions.delete(session, record, vault_deletions.DeletionReason.REQUEST, now)


def get(session: Session, archive_id: str, *, with_body: bool = False) -> ArchiveRecord:
    """The archive's record, a 404 if it does not exist; locked, unless it is read with its body."""
    query = select(ArchiveRecord).where(ArchiveRecord.archive_id == archive_id)
    query = query.options(undefer(ArchiveRecord.body)) if with_body else query.with_for_update()
    record = session.scalars(query).one_or_none()
    if record is None:
        abort(404, message="No archive has this id.")
    return record


def newest_of(session: Session, session_id: str) -> str | None:
    """The id of the archive of a session that the Vault received last."""
    query = select(ArchiveRecord.archive_id).where(ArchiveRecord.session_id == session_id)
    return session.scalar(query.order_by(ArchiveRecord.received_at.desc(), ArchiveRecord.archive_id).limit(1))


def retention_end(received_at: datetime, kept_days: int) -> datetime:
    """When an archive may be deleted: the end of its retention."""
    try:
        return min(received_at + timedelta(days=kept_days), LAST_TIME)
    except OverflowError:
        return LAST_TIME


def _record(draft: Draft, now: datetime, policies: Mapping[str, int]) -> ArchiveRecord:
    entry, key = draft.entry, draft.sealed.key
    policy_id = draft.policy_id if draft.policy_id in policies else None
    kept_days = max(entry.retention_days, policies[policy_id] if policy_id else 0)
    return ArchiveRecord(
        archive_id=entry.id,
        session_id=entry.session_id,
        body=draft.sealed.body,
        key_id=key.key_id,
        wrapped_key=key.wrapped,
        archived_at=entry.archived_at or now,
        recorded_receipt=now,
        retention_days=entry.retention_days,
        kept_days=kept_days,
        kept_until=retention_end(now, kept_days),
        policy_id=policy_id,
    )


def _is_same(record: ArchiveRecord, draft: Draft, ring: KeyRing) -> bool:
    entry = draft.entry
    if (record.session_id, record.retention_days) != (entry.session_id, entry.retention_days):
        return False
    return _content(record, ring)[1] == draft.data


def _content(record: ArchiveRecord, ring: KeyRing) -> tuple[dict[str, Any], bytes]:
    sealed = Sealed(record.body, WrappedKey(record.key_id, record.wrapped_key))
    details, _, data = unseal(sealed, Ids(record.archive_id, record.session_id), ring).partition(_SEPARATOR)
    return json.loads(details), data
