"""A batch of archives: each entry is judged by itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ...schemas.fields import MAX_ID_LENGTH
from ...schemas.vault import ArchiveEntrySchema, ArchiveFailure, BatchArchiveResponse
from ..web.log import log_failure
from .archives import Draft, Refused, Terms, draft, store
from .keys import KeyRing, Unreadable

_SCHEMA = ArchiveEntrySchema()
_LONGEST_REASON = 300


def drafts(entries: list[Any], seed: str, terms: Terms) -> list[Draft | ArchiveFailure]:
    """Check every entry; what is wrong with one is no matter to the others."""
    return [_judged(entry, f"{seed}:{place}", terms) for place, entry in enumerate(entries)]


def store_all(
    session: Session, made: list[Draft | ArchiveFailure], ring: KeyRing, now: datetime
) -> BatchArchiveResponse:
    """Keep what can be kept, and say for the rest why not."""
    archived: list[str] = []
    failed: list[ArchiveFailure] = []
    for one in made:
        if isinstance(one, ArchiveFailure):
            failed.append(one)
            continue
        try:
            archived.append(store(session, one, ring, now).archive_id)
        except Refused as refusal:
            failed.append(ArchiveFailure(one.entry.session_id, refusal.reason))
        except Unreadable as error:
            log_failure(error, {"reason": error.reason})
            failed.append(ArchiveFailure(one.entry.session_id, error.reason))
    return BatchArchiveResponse(archived, len(made), len(archived), failed)


def _judged(payload: Any, seed: str, terms: Terms) -> Draft | ArchiveFailure:
    try:
        return draft(_SCHEMA.receive(payload, seed), terms)
    except ValidationError as error:
        reason = f"invalid: {error.messages}"[:_LONGEST_REASON]
    except Refused as refusal:
        reason = refusal.reason
    return ArchiveFailure(_session_of(payload), reason.encode(errors="replace").decode())


def _session_of(payload: Any) -> str:
    named = payload.get("session_id") if isinstance(payload, Mapping) else None
    return named[:MAX_ID_LENGTH].encode(errors="replace").decode() if isinstance(named, str) else ""
