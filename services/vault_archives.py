"""The Vault's archives: written once, kept as long as promised."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from ..schemas.base import canonical_json
from ..schemas.fields import format_timestamp
from ..schemas.vault import ArchiveEntry, ArchiveResponse
from .vault_records import ArchiveRecord


class Refused(Exception):
    """An archive that cannot be stored: an HTTP status and a short reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Wishes:
    """What the request's headers ask for the stored form."""

    encryption: bool
    compression: bool


@dataclass(frozen=True)
class Draft:
    """An entry made ready outside the transaction, so that no lock waits for the hashing."""

    entry: ArchiveEntry
    text: str
    digest: str


def draft(entry: ArchiveEntry, most_bytes: int) -> Draft:
    """Make an entry ready to be stored.

    Raises: Refused where it is too large.
    """
    data = canonical_json(entry.data)
    if len(data) + len(canonical_json([entry.metadata, entry.tags])) > most_bytes:
        raise Refused(413, f"too large: an archive may have {most_bytes} bytes")
    return Draft(entry, data.decode(), hashlib.sha256(data).hexdigest())


def store(session: Session, made: Draft, wishes: Wishes, now: datetime) -> ArchiveResponse:
    """Keep an archive; the same content again gets the first receipt.

    Raises: Refused where its id holds other content.
    """
    record = session.get(ArchiveRecord, made.entry.id)
    if record is None:
        record = _record(made, wishes, now)
        session.add(record)
        session.flush()
    elif not _is_same(record, made):
        raise Refused(409, "conflict: an archive with this id holds other content")
    return ArchiveResponse(record.archive_id, record.session_id, "archived", record.archived_at)


def retrieved(session: Session, archive_id: str) -> str:
    """The archive as JSON text, its data in the very bytes that were kept."""
    record = found(session, archive_id, with_data=True)
    envelope = {
        "id": record.archive_id,
        "session_id": record.session_id,
        "archived_at": format_timestamp(record.archived_at),
        "retention_days": record.kept_days,
        "tags": record.tags,
        "metadata": record.details,
    }
    return f'{json.dumps(envelope, ensure_ascii=False)[:-1]}, "data": {record.data}}}'


def remove(session: Session, archive_id: str, now: datetime) -> None:
    """Delete an archive whose retention has ended, else 409; one that is gone stays gone."""
    record = session.get(ArchiveRecord, archive_id, with_for_update=True)
    if record is None:
        return
    until = kept_until(record)
    if now < until:
        abort(409, message=f"The archive is kept until {format_timestamp(until)}.")
    session.delete(record)


def found(session: Session, archive_id: str, *, with_data: bool = False) -> ArchiveRecord:
    """The archive's record, or a 404."""
    query = select(ArchiveRecord).where(ArchiveRecord.archive_id == archive_id)
    query = query.options(undefer(ArchiveRecord.data)) if with_data else query.with_for_update()
    record = session.scalars(query).one_or_none()
    if record is None:
        abort(404, message="No archive has this id.")
    return record


def kept_until(record: ArchiveRecord) -> datetime:
    """When the archive may be deleted."""
    try:
        return record.archived_at + timedelta(days=record.kept_days)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _record(made: Draft, wishes: Wishes, now: datetime) -> ArchiveRecord:
    entry = made.entry
    return ArchiveRecord(
        archive_id=entry.id,
        session_id=entry.session_id,
        data=made.text,
        data_digest=made.digest,
        archived_at=entry.archived_at or now,
        retention_days=entry.retention_days,
        kept_days=entry.retention_days,
        tags=entry.tags,
        details=entry.metadata,
        wants_encryption=wishes.encryption,
        wants_compression=wishes.compression,
    )


def _is_same(record: ArchiveRecord, made: Draft) -> bool:
    kept = (record.session_id, record.retention_days, record.data_digest)
    return kept == (made.entry.session_id, made.entry.retention_days, made.digest)
