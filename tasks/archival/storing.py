"""Storing prepared sessions in the vault, each exactly once, and placing them under their retention policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...clients.errors import (
    IntegrationError,
    NotArchivable,
    Refused,
    SerializationError,
    ServiceUnavailable,
    TransientError,
    WentOn,
)
from ...clients.vault import safe_reason
from ...schemas.canonical import derived_id, digest
from ...schemas.jcs import content_digest
from ...schemas.registry import SessionInfo, SessionStatus, StatusChange
from ...schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy, RetrievedArchive
from .. import connections
from .reasons import CONCERNS_ALL, reason_of
from .session import Prepared, archive_id_of, read_session

CONFLICT, NOT_FOUND = 409, 404


@dataclass(frozen=True)
class Stored:
    """What became of prepared sessions: archive ids of those in the vault, and why the others are not.

    Those that are `placed` are under their policy, too. For `unsettled` ones the vault gave no usable response: another
    attempt finds those it stored and stores the rest.
    """

    archive_ids: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    unsettled: dict[str, TransientError] = field(default_factory=dict[str, TransientError])
    placed: set[str] = field(default_factory=set[str])

    def __or__(self, other: "Stored") -> "Stored":
        return Stored(
            self.archive_ids | other.archive_ids,
            self.refused | other.refused,
            self.unsettled | other.unsettled,
            self.placed | other.placed,
        )


def store(prepared: Sequence[Prepared], key: str, policy_id: str, *, is_last_attempt: bool = False) -> Stored:
    """Store sessions in the vault; a batch that it refuses, or that cannot be sent, is halved until one is left.

    A vault that takes the policy's id with the sessions, and has that policy, places them under it at once.
    On the last attempt, a batch that the vault fails on (5xx) is sent session by session: one of them may be the cause.
    Raises: IntegrationError if the vault's response to a batch is unusable (a wrong key, an unreadable body).
    """
    entries = [item.entry for item in prepared]
    try:
        response = connections.vault().batch_archive_under_policy(entries, policy_id, idempotency_key=key)
    except TransientError as error:
        if is_last_attempt and _is_failure_of_content(error):
            return _one_by_one(prepared, key, policy_id, error)
        return Stored(unsettled={item.session.session_id: error for item in prepared})
    except Refused as error:
        return _halved(prepared, key, policy_id, _short(error), is_last_attempt)
    except (IntegrationError, *CONCERNS_ALL):
        raise
    except Exception as error:  # noqa: BLE001  one entry, maybe, that cannot be written
        return _halved(prepared, key, policy_id, reason_of(error), is_last_attempt)
    named = set(response.archived)
    reasons = {failure.session_id: failure.error for failure in response.failed}
    stored = Stored({entry.session_id: entry.id for entry in entries if entry.id in named})
    stored.placed.update(entry.session_id for entry in entries if entry.id in (response.policies or ()))
    for item in prepared:
        if item.entry.id not in named:
            _settle(item, reasons.get(item.session.session_id, ""), key, stored)
    return stored


def place(prepared: Prepared, archive_id: str, policy_id: str) -> None:
    """Place an archive under its policy.

    Raises: NotArchivable with the reason, TransientError if the vault is down.
    """
    try:
        connections.vault().apply_retention_policy(archive_id, policy_id)
    except Refused as error:
        raise _not_marked(error) from error


def mark_together(prepared: Sequence[Prepared]) -> Sequence[IntegrationError | None] | None:
    """Set sessions to `archived` in one request where the Registry takes that; returns what each got, else None."""
    changes = [
        StatusChange(item.session.session_id, SessionStatus.ARCHIVED, item.session.ended_at) for item in prepared
    ]
    return connections.registry().update_session_statuses(changes)


def mark_alone(prepared: Prepared) -> None:
    """Set a session to `archived`, unless its conversation continued.

    Raises: WentOn if it did, NotArchivable with the reason, TransientError if a service is down.
    """
    check_unchanged(prepared)
    session = prepared.session
    try:
        connections.registry().update_session_status(session.session_id, SessionStatus.ARCHIVED, session.ended_at)
    except Refused as error:
        check_marked(prepared, error)


def check_unchanged(prepared: Prepared, count: int | None = None) -> None:
    """Raise WentOn if the session's conversation has more or fewer nodes than were archived.

    `count` is how many it has now, if that is known.
    """
    if not prepared.node_count:
        return
    if count is None:
        count = connections.memory_graph().count_nodes(prepared.session.session_id)
    if count != prepared.node_count:
        raise WentOn("went on while it was archived; a later sweep archives the rest")


def check_marked(prepared: Prepared, error: IntegrationError | None) -> None:
    """Raise what the Registry's response to a mark means for its session, if it was refused."""
    if error is None:
        return
    if not isinstance(error, Refused):
        raise error
    if error.status == CONFLICT and _has_gone_on(prepared.session):
        raise WentOn("went on while it was archived; it is archived again after it ends") from error
    raise _not_marked(error) from error


def _not_marked(error: Refused) -> NotArchivable:
    return NotArchivable(f"stored, but not marked: {error}")


def _has_gone_on(before: SessionInfo) -> bool:
    after = read_session(before.session_id)
    return after.ended_at != before.ended_at or after.status not in (before.status, SessionStatus.ARCHIVED)


def default_policy() -> RetentionPolicy:
    """Return the policy that sessions are archived under."""
    scheduler = connections.config().scheduler
    return level_policy(scheduler.default_compliance_level, scheduler.retention_days)


def ensure_policy(policy: RetentionPolicy) -> str:
    """Create a retention policy unless it exists, and return its id."""
    try:
        return connections.vault().create_retention_policy(policy, idempotency_key=policy.policy_id)
    except Refused as error:
        if error.status != CONFLICT:
            raise
        return policy.policy_id


def level_policy(level: ComplianceLevel, retention_days: int) -> RetentionPolicy:
    """Return the retention policy of a level; its id follows from level and days, so there is one of each."""
    return RetentionPolicy(
        name=f"{level}-{retention_days}",
        retention_days=retention_days,
        compliance_level=level,
        description=f"Kept for {retention_days} days ({level}).",
        policy_id=derived_id("policy", str(level), retention_days),
        created_at=None,
        tags=[str(level)],
    )


def _halved(prepared: Sequence[Prepared], key: str, policy_id: str, reason: str, is_last_attempt: bool) -> Stored:
    if len(prepared) == 1:
        stored = Stored()
        _settle(prepared[0], reason, key, stored)
        return stored
    middle = len(prepared) // 2
    halves = (prepared[:middle], prepared[middle:])
    first, second = (store(half, key, policy_id, is_last_attempt=is_last_attempt) for half in halves)
    return first | second


def _is_failure_of_content(error: TransientError) -> bool:
    """Whether the vault responded that it failed, and did not ask to wait: a response is not an outage."""
    return isinstance(error, ServiceUnavailable) and (error.status or 0) >= 500 and not error.retry_after_secs


def _one_by_one(prepared: Sequence[Prepared], key: str, policy_id: str, error: TransientError) -> Stored:
    """Store sessions one by one, until the reasons name those that the vault fails on.

    Not by halves: the circuit breaker counts failures in a row, and halves with a bad session among them fail in a row.
    """
    if len(prepared) == 1:
        return Stored(refused={prepared[0].session.session_id: f"the vault failed on it: {error}"})
    stored = Stored()
    for item in prepared:
        stored |= store([item], key, policy_id, is_last_attempt=True)
    return stored


def _settle(item: Prepared, reason: str, key: str, stored: Stored) -> None:
    """Find out about one session; a failure here concerns no other session."""
    session_id = item.session.session_id
    try:
        _compare(item, reason, key, stored)
    except TransientError as error:
        stored.unsettled[session_id] = error
    except CONCERNS_ALL:
        raise
    except Exception as error:  # noqa: BLE001  the outcome of this session, and no other's
        stored.refused[session_id] = reason_of(error)


def _compare(item: Prepared, reason: str, key: str, stored: Stored) -> None:
    """Read what the vault holds under a refused entry's id: the same content is success, other content a revision."""
    session_id = item.session.session_id
    there = _read_back(item.entry.id)
    if there is None:
        stored.refused[session_id] = reason or safe_reason("")
    elif _holds(there, item.entry):
        stored.archive_ids[session_id] = item.entry.id
    else:
        _store_revision(item, there.newest_archive_id or there.id, key, stored)


def _store_revision(item: Prepared, newest_id: str, key: str, stored: Stored) -> None:
    entry = _revision(item.entry, newest_id)
    session_id = item.session.session_id
    try:
        connections.vault().archive_session(entry, idempotency_key=f"{key}:{entry.id}")
    except (Refused, SerializationError) as error:
        there = _read_back(entry.id)
        if there is None or not _holds(there, entry):
            stored.refused[session_id] = _short(error)
            return
    stored.archive_ids[session_id] = entry.id


def _holds(there: ArchiveEntry, entry: ArchiveEntry) -> bool:
    """Whether an archive has this content, whatever form its own digest has; 1 and 1.0 are the same number."""
    return content_digest(there.data) == content_digest(entry.data)


def _revision(entry: ArchiveEntry, newest_id: str) -> ArchiveEntry:
    """Return the entry as a revision; if it is the newest archive itself, the vault keeps what that supersedes."""
    # An id is for ever: it follows from the digest that archives had before RFC 8785's.
    new_id = archive_id_of(entry.session_id, digest(entry.data))
    return replace(
        entry, id=new_id, tags=[*entry.tags, "revision"], metadata={**entry.metadata, "supersedes": newest_id}
    )


def _read_back(archive_id: str) -> RetrievedArchive | None:
    try:
        return connections.vault().retrieve_session(archive_id)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise


def _short(error: Refused | SerializationError) -> str:
    return f"the vault refused it: {error.message} (status {error.status})"
