"""The Vault's archives: read, and kept until their retention ends."""

import json
from datetime import datetime, timedelta
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import Row, select
from sqlalchemy.orm import Session, undefer

from ...schemas.fields import LAST_TIME, format_timestamp
from ...schemas.refusals import Refusal, RefusalReason
from ..web.conflict import conflict
from . import deletions as vault_deletions
from .drafts import SEPARATOR
from .keys import KeyRing, WrappedKey
from .records import ArchiveRecord
from .seal import Ids, Sealed, unseal


def retrieve(session: Session, archive_id: str, ring: KeyRing) -> str:
    """The archive as JSON text, with the stored bytes of its data.

    Raises: Unreadable.
    """
    record = get(session, archive_id, with_body=True)
    packed, data = _content(record, ring)
    details: dict[str, Any] = json.loads(packed)
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


def data_of(record: ArchiveRecord | Row[Any], ring: KeyRing) -> bytes:
    """An archive's data as it was sealed.

    Raises: Unreadable.
    """
    return _content(record, ring)[1]


def _content(record: ArchiveRecord | Row[Any], ring: KeyRing) -> tuple[bytes, bytes]:
    sealed = Sealed(record.body, WrappedKey(record.key_id, record.wrapped_key))
    details, _, data = unseal(sealed, Ids(record.archive_id, record.session_id), ring).partition(SEPARATOR)
    return details, data
