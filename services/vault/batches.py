"""A batch of archives, whose entries succeed or fail independently."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ...schemas.fields import MAX_ID_LENGTH
from ...schemas.vault import ArchiveEntrySchema, ArchiveFailure, BatchArchiveResponse
from ..web.log import log_failure
from .archives import ArchiveOptions, Draft, Refused, make_draft, store
from .keys import KeyRing, Unreadable

_SCHEMA = ArchiveEntrySchema()
_MAX_REASON = 300


def make_drafts(entries: list[Any], seed: str, options: ArchiveOptions) -> list[Draft | ArchiveFailure]:
    """Check and seal every entry; a mistake in one does not affect the others."""
    return [_checked(entry, f"{seed}:{place}", options) for place, entry in enumerate(entries)]


def store_all(
    session: Session, drafts: list[Draft | ArchiveFailure], ring: KeyRing, now: datetime
) -> BatchArchiveResponse:
    """Store what can be stored, and give the reasons for the rest."""
    archived: list[str] = []
    failed: list[ArchiveFailure] = []
    for draft in drafts:
        if isinstance(draft, ArchiveFailure):
            failed.append(draft)
            continue
        try:
            archived.append(store(session, draft, ring, now).archive_id)
        except Refused as error:
            failed.append(ArchiveFailure(draft.entry.session_id, error.reason))
        except Unreadable as error:
            log_failure(error, {"reason": error.reason})
            failed.append(ArchiveFailure(draft.entry.session_id, error.reason))
    return BatchArchiveResponse(archived, len(drafts), len(archived), failed)


def _checked(payload: Any, seed: str, options: ArchiveOptions) -> Draft | ArchiveFailure:
    try:
        return make_draft(_SCHEMA.receive(payload, seed), options)
    except ValidationError as error:
        reason = f"invalid: {error.messages}"[:_MAX_REASON]
    except Refused as error:
        reason = error.reason
    return ArchiveFailure(_session_id_of(payload), reason.encode(errors="replace").decode())


def _session_id_of(payload: Any) -> str:
    named = payload.get("session_id") if isinstance(payload, Mapping) else None
    return named[:MAX_ID_LENGTH].encode(errors="replace").decode() if isinstance(named, str) else ""
