"""What is archived of a session, and how it gets into the vault exactly once.

A session's archive has the id uuid5(session id); its content is the conversation alone, in canonical
JSON, so that the same conversation is the same archive whoever stores it, and however often.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from ...clients.config import SchedulerConfig
from ...clients.errors import IntegrationError, NotArchivable, Refused, TransientError
from ...clients.vault import safe_reason
from ...schemas.base import canonical_json, derived_id, digest
from ...schemas.fields import format_timestamp
from ...schemas.registry import SessionInfo, SessionStatus
from ...schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from .. import connections

ARCHIVED_BY = "archival_scheduler"
FINISHED = (SessionStatus.COMPLETED, SessionStatus.FAILED)
CONFLICT, NOT_FOUND = 409, 404


@dataclass(frozen=True)
class Prepared:
    """A session ready to be stored; `node_count` tells later whether it went on meanwhile.

    `size_bytes` is that of its content as JSON.
    """

    session: SessionInfo
    entry: ArchiveEntry
    node_count: int
    size_bytes: int = 0


@dataclass(frozen=True)
class Stored:
    """What became of a batch in the vault: the archive id of each session that is in it, and why others are not.

    Of those that are `unsettled` the vault did not say: a second run finds what was stored, and stores the rest.
    """

    archive_ids: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    unsettled: dict[str, TransientError] = field(default_factory=dict[str, TransientError])

    def __or__(self, other: "Stored") -> "Stored":
        return Stored(
            self.archive_ids | other.archive_ids, self.refused | other.refused, self.unsettled | other.unsettled
        )


def archive_id_of(session_id: str, revision: str | None = None) -> str:
    """The id of a session's archive; of a revision's, given the digest of its content."""
    return derived_id("archive", session_id, revision) if revision else derived_id("archive", session_id)


def is_due(session: SessionInfo, cutoff: datetime) -> bool:
    """Whether a session is finished and ended (else started) before the cutoff."""
    return session.status in FINISHED and (session.ended_at or session.started_at) < cutoff


def read_session(session_id: str) -> SessionInfo:
    """Read a session from the Registry.

    Raises: NotArchivable where it is gone, TransientError where the Registry is down.
    """
    try:
        return connections.registry().get_session(session_id)
    except Refused as error:
        raise NotArchivable("vanished from the registry" if error.status == NOT_FOUND else str(error)) from error


def prepare(session: SessionInfo, tags: Sequence[str], config: SchedulerConfig, extra: dict[str, Any]) -> Prepared:
    """Read a session's conversation from the graph and make its archive entry.

    Raises: NotArchivable with the reason, TransientError where the graph is down.
    """
    session_id = session.session_id
    if config.archive_without_content:
        return _prepared(session, _record(session), 0, [*tags, "record-only"], config, extra)
    nodes = _nodes(session_id)
    return _prepared(session, conversation(session_id, nodes), len(nodes), tags, config, extra)


def conversation(session_id: str, nodes: Sequence[Any]) -> dict[str, Any]:
    """The conversation of a session as JSON: proto3's JSON mapping, each kind in the graph's order."""
    from google.protobuf.json_format import MessageToDict

    kinds = {"prompt": "prompts", "response": "responses", "tool_invocation": "tool_invocations"}
    data: dict[str, Any] = {"session_id": session_id, **{plural: [] for plural in kinds.values()}}
    for node in nodes:
        kind = node.WhichOneof("node_data")
        if kind in kinds:
            data[kinds[kind]].append(MessageToDict(getattr(node, kind), preserving_proto_field_name=True))
    return data


def store(prepared: Sequence[Prepared], key: str) -> Stored:
    """Put sessions into the vault; a batch that is refused as a whole is halved until one session is left.

    Raises: IntegrationError where the vault's answer to a batch is of no use (a wrong key, an unreadable body).
    """
    entries = [item.entry for item in prepared]
    try:
        answer = connections.vault().batch_archive(entries, idempotency_key=key)
    except TransientError as error:
        return Stored(unsettled={item.session.session_id: error for item in prepared})
    except Refused as error:
        return _halved(prepared, key, error)
    named = set(answer.archived)
    reasons = {failure.session_id: failure.error for failure in answer.failed}
    stored = Stored({entry.session_id: entry.id for entry in entries if entry.id in named})
    for item in prepared:
        if item.entry.id not in named:
            _settle(item, reasons.get(item.session.session_id, ""), key, stored)
    return stored


def finish(prepared: Prepared, archive_id: str, policy_id: str, *, mark: bool = True) -> None:
    """Put an archive under its policy, and mark its session `archived` if nothing was added meanwhile.

    Raises: NotArchivable with the reason, TransientError where a service is down.
    """
    session_id = prepared.session.session_id
    try:
        connections.vault().apply_retention_policy(archive_id, policy_id)
        if not mark:
            return
        if prepared.node_count and connections.memory_graph().count_nodes(session_id) != prepared.node_count:
            raise NotArchivable("went on while it was archived; the next sweep archives the rest")
        connections.registry().update_session_status(session_id, SessionStatus.ARCHIVED)
    except Refused as error:
        raise NotArchivable(f"stored, but not marked: {error}") from error


def ensure_policy(level: ComplianceLevel, retention_days: int) -> str:
    """Create the retention policy of a level and a number of days if it is not there; returns its id."""
    policy = level_policy(level, retention_days)
    try:
        return connections.vault().create_retention_policy(policy, idempotency_key=policy.policy_id)
    except Refused as error:
        if error.status != CONFLICT:
            raise
        return policy.policy_id


def level_policy(level: ComplianceLevel, retention_days: int) -> RetentionPolicy:
    """The retention policy of a level: its id follows from level and days, so there is one of each."""
    return RetentionPolicy(
        name=f"{level}-{retention_days}",
        retention_days=retention_days,
        compliance_level=level,
        description=f"Kept for {retention_days} days ({level}).",
        policy_id=derived_id("policy", str(level), retention_days),
        created_at=None,
        tags=[str(level)],
    )


def _prepared(
    session: SessionInfo, data: Any, count: int, tags: Sequence[str], config: SchedulerConfig, extra: dict[str, Any]
) -> Prepared:
    level, text = config.default_compliance_level, canonical_json(data)
    metadata = {**_facts(session), **extra, "compliance_level": str(level), "digest": sha256(text).hexdigest()}
    entry = ArchiveEntry(
        session.session_id,
        data,
        config.retention_days,
        id=archive_id_of(session.session_id),
        tags=[*tags, str(level)],
        metadata=metadata,
    )
    return Prepared(session, entry, count, len(text))


def _nodes(session_id: str) -> list[Any]:
    try:
        nodes = list(connections.memory_graph().iter_nodes(session_id))
    except Refused as error:
        raise NotArchivable(f"the graph did not give the conversation: {error}") from error
    if not nodes:
        raise NotArchivable("the graph has no conversation for this session")
    return nodes


def _facts(session: SessionInfo) -> dict[str, Any]:
    return {
        "archived_by": ARCHIVED_BY,
        "model_id": session.model_id,
        "status": str(session.status),
        "started_at": format_timestamp(session.started_at),
        "ended_at": format_timestamp(session.ended_at) if session.ended_at else None,
        "prompt_count": session.prompt_count,
        "total_tokens": session.total_tokens,
    }


def _record(session: SessionInfo) -> dict[str, Any]:
    return {"session_id": session.session_id, "record": {**_facts(session), "metadata": session.metadata}}


def _halved(prepared: Sequence[Prepared], key: str, error: Refused) -> Stored:
    if len(prepared) == 1:
        stored = Stored()
        _settle(prepared[0], _short(error), key, stored)
        return stored
    middle = len(prepared) // 2
    return store(prepared[:middle], key) | store(prepared[middle:], key)


def _settle(item: Prepared, reason: str, key: str, stored: Stored) -> None:
    """Find out about one session; what goes wrong with it is no other session's concern."""
    session_id = item.session.session_id
    try:
        _compare(item, reason, key, stored)
    except TransientError as error:
        stored.unsettled[session_id] = error
    except IntegrationError as error:
        stored.refused[session_id] = str(error)


def _compare(item: Prepared, reason: str, key: str, stored: Stored) -> None:
    """Read back what the vault has under a refused entry's id: the same content is success, other content history."""
    session_id = item.session.session_id
    there = _read_back(item.entry.id)
    if there is None:
        stored.refused[session_id] = reason or safe_reason("")
    elif digest(there.data) == item.entry.metadata["digest"]:
        stored.archive_ids[session_id] = item.entry.id
    else:
        _store_revision(item, key, stored)


def _store_revision(item: Prepared, key: str, stored: Stored) -> None:
    entry = _revision(item.entry)
    session_id = item.session.session_id
    try:
        connections.vault().archive_session(entry, idempotency_key=f"{key}:{entry.id}")
    except Refused as error:
        there = _read_back(entry.id)
        if there is None or digest(there.data) != entry.metadata["digest"]:
            stored.refused[session_id] = _short(error)
            return
    stored.archive_ids[session_id] = entry.id


def _revision(entry: ArchiveEntry) -> ArchiveEntry:
    new_id = archive_id_of(entry.session_id, entry.metadata["digest"])
    return replace(
        entry, id=new_id, tags=[*entry.tags, "revision"], metadata={**entry.metadata, "supersedes": entry.id}
    )


def _read_back(archive_id: str) -> ArchiveEntry | None:
    try:
        return connections.vault().retrieve_session(archive_id)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise


def _short(error: Refused) -> str:
    return f"the vault refused it: {error.message} (status {error.status})"


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """The ids in lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
