"""What is archived of one session: its conversation, as an entry for the vault.

The archive's id follows from the session's id, and its content is the conversation alone: the same conversation is the
same archive, whoever stores it and however often. Every language can compute its digest (RFC 8785).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from ...clients.config import SchedulerConfig
from ...clients.errors import NotArchivable, NothingToArchive, Refused
from ...schemas.canonical import derived_id
from ...schemas.fields import format_timestamp
from ...schemas.jcs import FORM, jcs
from ...schemas.registry import SessionInfo, SessionStatus
from ...schemas.vault import ArchiveEntry
from .. import connections

ARCHIVED_BY = "archival_scheduler"
FINISHED = (SessionStatus.COMPLETED, SessionStatus.FAILED)
NOT_FOUND = 404


@dataclass(frozen=True)
class Prepared:
    """A session that is ready to be stored.

    `size_bytes` is the size of its content as JSON. A later `node_count` tells whether the conversation continued.
    """

    session: SessionInfo
    entry: ArchiveEntry
    node_count: int
    size_bytes: int = 0


def archive_id_of(session_id: str, revision: str | None = None) -> str:
    """Return the id of a session's archive, or of a revision, given the digest of the revision's content."""
    return derived_id("archive", session_id, revision) if revision else derived_id("archive", session_id)


def is_due(session: SessionInfo, cutoff: datetime) -> bool:
    """Whether a session is finished, and ended (if that is unknown: started) before the cutoff."""
    return session.status in FINISHED and (session.ended_at or session.started_at) < cutoff


def read_session(session_id: str) -> SessionInfo:
    """Read a session from the Registry.

    Raises: NotArchivable if it is gone, TransientError if the Registry is down.
    """
    try:
        return connections.registry().get_session(session_id)
    except Refused as error:
        raise NotArchivable("vanished from the registry" if error.status == NOT_FOUND else str(error)) from error


def prepare(
    session: SessionInfo,
    tags: Sequence[str],
    config: SchedulerConfig,
    extra: dict[str, Any],
    nodes: Sequence[Any] | None = None,
) -> Prepared:
    """Make a session's archive entry of its conversation, read from the graph unless its `nodes` are given.

    `extra` goes into the metadata.

    Raises: NothingToArchive if the conversation is empty, NotArchivable with the reason if it cannot be archived,
    TransientError if the graph is down.
    """
    session_id = session.session_id
    if config.archive_without_content:
        return _prepared(session, _record(session), 0, [*tags, "record-only"], config, extra)
    nodes = nodes or _nodes(session_id)
    return _prepared(session, conversation(session_id, nodes), len(nodes), tags, config, extra)


def conversation(session_id: str, nodes: Sequence[Any]) -> dict[str, Any]:
    """Return a session's conversation in proto3's JSON mapping, each kind of node in the graph's order.

    Raises: NotArchivable naming a node that JSON cannot represent.
    """
    kinds = {"prompt": "prompts", "response": "responses", "tool_invocation": "tool_invocations"}
    data: dict[str, Any] = {"session_id": session_id, **{plural: [] for plural in kinds.values()}}
    for node in nodes:
        kind = node.WhichOneof("node_data")
        if kind in kinds:
            some = data[kinds[kind]]
            some.append(_as_json(getattr(node, kind), f"{kind} {len(some) + 1}"))
    return data


def _as_json(message: Any, name: str) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict, SerializeToJsonError

    try:
        return MessageToDict(message, preserving_proto_field_name=True)
    except SerializeToJsonError as error:
        wrong = "; ".join(_wrong_times(message)) or "JSON cannot represent it"
        raise NotArchivable(f"the graph's {name} cannot be archived: {wrong}") from error


def _wrong_times(message: Any) -> Iterator[str]:
    """Name the timestamps that are outside the years 1 to 9999, or have no valid nanoseconds."""
    from google.protobuf.timestamp_pb2 import Timestamp

    for field, value in message.ListFields():
        if isinstance(value, Timestamp):
            try:
                value.ToJsonString()
            except ValueError:
                yield f"its {field.name} is no valid time (seconds {value.seconds}, nanos {value.nanos})"


def _prepared(
    session: SessionInfo, data: Any, count: int, tags: Sequence[str], config: SchedulerConfig, extra: dict[str, Any]
) -> Prepared:
    level, text = config.default_compliance_level, jcs(data)
    proof = {"digest": sha256(text).hexdigest(), "digest_form": FORM}
    metadata = {**_facts(session), **extra, "compliance_level": str(level), **proof}
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
        raise NothingToArchive("no conversation")
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
