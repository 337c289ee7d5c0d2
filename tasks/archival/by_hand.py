"""Archiving sessions that somebody names, whatever their age; their status stays, and the sweep changes it later."""

from collections.abc import Sequence

from ...clients.errors import AuthenticationError, InvalidConfig, TransientError
from ...schemas.results import ArchivedByHandDict
from .. import connections, side_by_side
from .reasons import CONCERNS_ALL, reason_of
from .session import Prepared, prepare, read_session
from .storing import Stored, default_policy, ensure_policy, place, store

_NO_OUTCOME = (*CONCERNS_ALL, TransientError, AuthenticationError, InvalidConfig)


def archive(
    session_ids: Sequence[str], tags: list[str], key: str, *, is_last_attempt: bool = False
) -> ArchivedByHandDict:
    """Archive sessions under an idempotency key; returns the archive id of each, or why it was not archived.

    Raises: TransientError if a service is down; another attempt finds what this one stored. AuthenticationError or
    InvalidConfig if no session can be archived. Any other failure is the outcome of its session.
    """
    scheduler = connections.config().scheduler
    failed: dict[str, str] = {}

    def prepared(session_id: str) -> Prepared | None:
        try:
            return prepare(read_session(session_id), tags, scheduler, {})
        except _NO_OUTCOME:
            raise
        except Exception as error:  # noqa: BLE001  the outcome of this session, and no other's
            failed[session_id] = reason_of(error)
            return None

    ready = [item for item in side_by_side.results(prepared, dict.fromkeys(session_ids)) if item]
    if not ready:
        return {"archived": {}, "failed": failed}
    policy = default_policy()
    stored = store(ready, key, policy.policy_id, is_last_attempt=is_last_attempt)
    for error in stored.unsettled.values():
        raise error
    unplaced = [item for item in ready if item.session.session_id in stored.archive_ids.keys() - stored.placed]
    if unplaced:
        failed |= _place_under(ensure_policy(policy), unplaced, stored)
    failed |= stored.refused
    archived = {session_id: kept for session_id, kept in stored.archive_ids.items() if session_id not in failed}
    return {"archived": archived, "failed": failed}


def _place_under(policy_id: str, unplaced: Sequence[Prepared], stored: Stored) -> dict[str, str]:
    """Place archives under their policy; returns why that failed, by session."""
    failed: dict[str, str] = {}
    for item in unplaced:
        session_id = item.session.session_id
        try:
            place(item, stored.archive_ids[session_id], policy_id)
        except _NO_OUTCOME:
            raise
        except Exception as error:  # noqa: BLE001  the outcome of this session, and no other's
            failed[session_id] = reason_of(error)
    return failed
