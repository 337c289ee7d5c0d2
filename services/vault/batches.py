"""A batch of archives, whose entries succeed or fail independently."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...schemas.base import Request, ValidationError
from ...schemas.fields import MAX_ID_LENGTH
from ...schemas.vault import ArchiveFailure, BatchArchiveResponse, PlacedEntry, PlacedEntrySchema
from ..web.log import log_failure
from .archives import ArchiveOptions, Draft, Refused, make_draft, store
from .keys import KeyRing, Unreadable
from .records import PolicyRecord

_SCHEMA = cast(Request[PlacedEntry], PlacedEntrySchema())
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
    asked = {draft.policy_id for draft in drafts if isinstance(draft, Draft) and draft.policy_id}
    policies, placed = find_policies(session, asked), dict[str, str]()
    for draft in drafts:
        if isinstance(draft, ArchiveFailure):
            failed.append(draft)
            continue
        try:
            receipt = store(session, draft, ring, now, policies)
            archived.append(receipt.archive_id)
            if draft.policy_id and receipt.policy_id == draft.policy_id:
                placed[receipt.archive_id] = draft.policy_id
        except Refused as error:
            failed.append(ArchiveFailure(draft.entry.session_id, error.reason))
        except Unreadable as error:
            log_failure(error, {"reason": error.reason})
            failed.append(ArchiveFailure(draft.entry.session_id, error.reason))
    return BatchArchiveResponse(archived, len(drafts), len(archived), failed, placed if asked else None)


def find_policies(session: Session, ids: Collection[str]) -> dict[str, int]:
    """Those of these policies that exist, with the days that they require."""
    query = select(PolicyRecord.policy_id, PolicyRecord.retention_days).where(PolicyRecord.policy_id.in_(ids))
    return {row.policy_id: row.retention_days for row in session.execute(query)} if ids else {}


def _checked(payload: Any, seed: str, options: ArchiveOptions) -> Draft | ArchiveFailure:
    try:
        entry = _SCHEMA.receive(payload, seed)
        return make_draft(entry, options, entry.policy_id)
    except ValidationError as error:
        reason = f"invalid: {error.messages}"[:_MAX_REASON]
    except Refused as error:
        reason = error.reason
    return ArchiveFailure(_session_id_of(payload), reason.encode(errors="replace").decode())


def _session_id_of(payload: Any) -> str:
    named = payload.get("session_id") if isinstance(payload, Mapping) else None
    return named[:MAX_ID_LENGTH].encode(errors="replace").decode() if isinstance(named, str) else ""
