"""The response to a batch of archives, whose entries succeed or fail independently."""

from collections.abc import Sequence

from ...schemas.vault import ArchiveFailure, ArchiveResponse, BatchArchiveResponse
from ..web.log import log_failure
from .drafts import Draft
from .keys import Unreadable
from .storing import Outcome


def response(drafts: Sequence[Draft | ArchiveFailure], outcomes: Sequence[Outcome]) -> BatchArchiveResponse:
    """What became of a batch's entries, given the outcomes of those that are drafts."""
    archived: list[str] = []
    failed: list[ArchiveFailure] = []
    placed: dict[str, str] = {}
    left = iter(outcomes)
    for draft in drafts:
        if isinstance(draft, ArchiveFailure):
            failed.append(draft)
            continue
        outcome = next(left)
        if not isinstance(outcome, ArchiveResponse):
            if isinstance(outcome, Unreadable):
                log_failure(outcome, {"reason": outcome.reason})
            failed.append(ArchiveFailure(draft.entry.session_id, outcome.reason))
            continue
        archived.append(outcome.archive_id)
        if draft.policy_id and outcome.policy_id == draft.policy_id:
            placed[outcome.archive_id] = draft.policy_id
    asked = any(isinstance(draft, Draft) and draft.policy_id for draft in drafts)
    return BatchArchiveResponse(archived, len(drafts), len(archived), failed, placed if asked else None)
