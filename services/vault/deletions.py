"""Deletes archives that have expired under a policy with `auto_delete`, and records each deletion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..database.storage import Storage
from .records import ArchiveRecord, DeletionRecord, PolicyRecord

_PAGE = 500


class DeletionReason(StrEnum):
    """Why an archive was deleted."""

    AUTO_DELETE = "auto_delete"
    REQUEST = "request"


@dataclass(frozen=True)
class Expired:
    """An archive whose retention has ended under a policy with `auto_delete`."""

    archive_id: str
    session_id: str
    policy_id: str | None
    archived_at: datetime
    received_at: datetime
    kept_until: datetime


@dataclass(frozen=True)
class Deletion(Expired):
    """An archive that was deleted, when and why."""

    deleted_at: datetime
    why: DeletionReason


def delete(session: Session, archive: ArchiveRecord, why: DeletionReason, now: datetime) -> None:
    """Delete an archive, and record the deletion."""
    session.add(
        DeletionRecord(
            archive_id=archive.archive_id,
            session_id=archive.session_id,
            policy_id=archive.policy_id,
            archived_at=archive.archived_at,
            received_at=archive.received_at,
            kept_until=archive.kept_until,
            deleted_at=now,
            why=why,
        )
    )
    session.delete(archive)


def find_expired(storage: Storage, now: datetime) -> Iterator[list[Expired]]:
    """Pages of what `expire` would delete."""
    with storage.read() as session:
        policies = session.scalars(select(PolicyRecord.policy_id).where(PolicyRecord.auto_delete)).all()
    for policy_id in policies:
        last = None
        while page := _page(storage, policy_id, now, last):
            yield page
            last = page[-1]


def expire(storage: Storage, now: datetime) -> Iterator[list[Expired]]:
    """Delete what has expired, one page per transaction; yields each page that was deleted."""
    for page in find_expired(storage, now):
        yield storage.write(lambda session, page=page: delete_expired(session, page, now))


def latest(storage: Storage, limit: int, session_id: str | None = None) -> list[Deletion]:
    """The latest deletions, newest first, of one session or of all."""
    query = select(DeletionRecord).order_by(DeletionRecord.number.desc()).limit(limit)
    if session_id is not None:
        query = query.where(DeletionRecord.session_id == session_id)
    with storage.read() as session:
        return [Deletion(*_facts(row), row.deleted_at, DeletionReason(row.why)) for row in session.scalars(query)]


def _page(storage: Storage, policy_id: str, now: datetime, last: Expired | None) -> list[Expired]:
    query = select(ArchiveRecord).where(ArchiveRecord.policy_id == policy_id, ArchiveRecord.kept_until <= now)
    if last:
        query = query.where(_after(last))
    query = query.order_by(ArchiveRecord.kept_until, ArchiveRecord.archive_id).limit(_PAGE)
    with storage.read() as session:
        return [Expired(*_facts(archive)) for archive in session.scalars(query)]


def _after(last: Expired) -> ColumnElement[bool]:
    until, archive_id = ArchiveRecord.kept_until, ArchiveRecord.archive_id
    # The index can start from the first condition.
    return and_(until >= last.kept_until, or_(until > last.kept_until, archive_id > last.archive_id))


def delete_expired(session: Session, page: Sequence[Expired], now: datetime) -> list[Expired]:
    """Delete a page of one policy's archives, except those no longer expired; returns the deleted ones."""
    # Checked again with the rows locked: meanwhile a policy may have extended one's retention.
    query = (
        select(ArchiveRecord)
        .where(
            ArchiveRecord.archive_id.in_([one.archive_id for one in page]),
            ArchiveRecord.policy_id == page[0].policy_id,
            ArchiveRecord.kept_until <= now,
        )
        .order_by(ArchiveRecord.archive_id)
        .with_for_update()
    )
    archives = session.scalars(query).all()
    deleted = [Expired(*_facts(archive)) for archive in archives]
    for archive in archives:
        delete(session, archive, DeletionReason.AUTO_DELETE, now)
    return deleted


def _facts(row: ArchiveRecord | DeletionRecord) -> tuple[str, str, str | None, datetime, datetime, datetime]:
    return row.archive_id, row.session_id, row.policy_id, row.archived_at, row.received_at, row.kept_until
