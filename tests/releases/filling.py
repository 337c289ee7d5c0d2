"""A small and complete set of what the three services keep: made through the public clients, and read through them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.memory_graph import pb
from memory_graph_workers.schemas.fields import format_timestamp
from memory_graph_workers.schemas.registry import (
    TOKEN_KINDS,
    SessionInfo,
    SessionRegistration,
    SessionStatus,
    UsageReport,
    UsageStats,
)
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from releases.release_stack import Clients, ReleaseStack

MODEL = "acme/model:1"
VAULT_BEGAN_SECS = (
    -10 * 86_400
)  # the Vault's clock while it is filled, so that what is kept a day has expired afterwards
_MOMENT = datetime(2026, 6, 1, 12, 30, 15, 250_000, tzinfo=UTC)
_ARCHIVE_BY_HAND = (
    "import sys; from memory_graph_workers.tasks.archival import archive_sessions; "
    "found = archive_sessions.delay(sys.argv[1:]).get(timeout=60); assert not found['failed'], found; "
    "print('\\n'.join(found['archived'].values()))"
)
KEYED = UsageReport("s-completed", 100, 20, MODEL, timestamp=_MOMENT, metadata={"tokens": {"cached_tokens": 7}})
KEY = "sample-usage-key"
REGISTRATION = SessionRegistration(
    "s-active", MODEL, "1.0", _MOMENT, {"user": "Zoë", "nested": {"n": [1, 2.5, None]}}, ["a"]
)
ARCHIVE = ArchiveEntry(
    "s-standard", {"said": "Ünïcode 🙂", "n": 2**60, "x": 1.0}, 400, "a-standard", _MOMENT, ["t"], {"m": 1}
)


def fill(stack: ReleaseStack) -> dict[str, list[str]]:
    """Fill a stack's empty services, and return the ids of the archives that are there, and of those that are not."""
    with Clients(stack.environ) as clients:
        _fill_registry(clients)
        archives = _fill_vault(clients)
        archives += _archive_twice(stack, clients)
        stack.restart_vault()
        clients.vault.delete_archive("a-deleted")
        mgw(stack, "vault", "expire", "--yes", "--json")
    return {"archives": archives, "deleted": ["a-deleted", "a-expired"]}


def _fill_registry(clients: Clients) -> None:
    registry = clients.registry
    registry.register_session(REGISTRATION, idempotency_key="sample-registration-key")
    for status in ("completed", "failed", "archived", "reopened"):
        registry.register_session(SessionRegistration(f"s-{status}", MODEL, started_at=_MOMENT, tags=[status]))
    for name in ("completed", "archived", "reopened"):
        registry.update_session_status(f"s-{name}", SessionStatus.COMPLETED)
    registry.update_session_status("s-failed", SessionStatus.FAILED)
    registry.update_session_status("s-archived", SessionStatus.ARCHIVED, registry.get_session("s-archived").ended_at)
    registry.reopen_session("s-reopened", idempotency_key="sample-reopening-key")
    registry.register_session(SessionRegistration("s-deleted", "gone/model", started_at=_MOMENT))
    registry.track_usage(UsageReport("s-deleted", 1, 2, "gone/model", metadata={"private": "goes with the session"}))
    registry.delete_session("s-deleted")
    registry.track_usage(KEYED, idempotency_key=KEY)
    registry.track_usage(UsageReport("s-completed", 1, 2, total_tokens=10, latency_ms=250, timestamp=_MOMENT))
    for number, kind in enumerate(TOKEN_KINDS, 1):
        report = UsageReport("s-active", number, 0, MODEL, metadata={"tokens": {kind: number}})
        registry.track_usage(report, idempotency_key=f"sample-{kind}")


def _fill_vault(clients: Clients) -> list[str]:
    vault = clients.vault
    vault.archive_session(ARCHIVE, idempotency_key="sample-archive-key")
    vault.batch_archive([ArchiveEntry("s-batch", None, 365, "a-batch", _MOMENT)], idempotency_key="sample-batch-key")
    for level in ComplianceLevel:
        policy = RetentionPolicy(f"of {level}", level.retention_days, level, policy_id=f"p-{level}", created_at=_MOMENT)
        vault.create_retention_policy(policy, idempotency_key=f"sample-policy-{level}")
        vault.archive_session(ArchiveEntry(f"s-{level}", {"level": level}, level.least_days, f"a-of-{level}", _MOMENT))
        vault.apply_retention_policy(f"a-of-{level}", f"p-{level}")
    vault.create_retention_policy(
        RetentionPolicy("a day", 1, ComplianceLevel.STANDARD, auto_delete=True, policy_id="p-a-day", created_at=_MOMENT)
    )
    for name in ("a-deleted", "a-expired"):
        vault.archive_session(ArchiveEntry("s-gone", {"gone": True}, 1, name, _MOMENT))
    vault.apply_retention_policy("a-expired", "p-a-day")
    return ["a-standard", "a-batch", *(f"a-of-{level}" for level in ComplianceLevel)]


def _archive_twice(stack: ReleaseStack, clients: Clients) -> list[str]:
    """Archive a conversation, let it go on, and archive it again: the second is a revision of the first."""
    session_id = _converse(clients)
    clients.registry.register_session(SessionRegistration(session_id, MODEL, started_at=_MOMENT))
    clients.registry.update_session_status(session_id, SessionStatus.COMPLETED)
    first = _archived(stack, session_id)
    clients.registry.reopen_session(session_id)
    clients.graph.add_prompt(session_id, "And what came after?")
    clients.registry.update_session_status(session_id, SessionStatus.COMPLETED)
    return [*first, *_archived(stack, session_id)]


def _converse(clients: Clients) -> str:
    """A conversation in the graph with a node of every type."""
    graph = clients.graph
    session_id = graph.create_session({"user": "Zoë"}).id
    metadata = pb.PromptMetadata(model=MODEL, temperature=0.5, max_tokens=10, tools_available=["t"], custom={"a": "b"})
    prompt = graph.add_prompt(session_id, "How tall is it? 🙂", metadata)
    usage = pb.TokenUsage(prompt_tokens=5, completion_tokens=6, total_tokens=11)
    told = pb.ResponseMetadata(model=MODEL, finish_reason="stop", latency_ms=7, custom={"c": "d"})
    response = graph.add_response(prompt.id, "330 m", usage, told)
    call = pb.ToolInvocationNode(
        response_id=response.id, tool_name="measure", parameters='{"of": "tower"}', status="completed", result="330"
    )
    graph.add_tool_invocation(call)
    return session_id


def _archived(stack: ReleaseStack, session_id: str) -> list[str]:
    return _run(stack, "-c", _ARCHIVE_BY_HAND, session_id).split()


def read(stack: ReleaseStack, archives: list[str], deleted: list[str]) -> dict[str, Any]:
    """What the services tell of it through the public clients and commands, as JSON."""
    with Clients(stack.environ) as clients:
        sessions = list(clients.registry.iter_sessions())
        found = {
            "sessions": {one.session_id: _session(one) for one in sessions},
            "usage": {one.session_id: usage(clients.registry.get_session_usage(one.session_id)) for one in sessions},
            "models": {
                one.model_id: usage(clients.registry.get_model_usage(one.model_id))
                for one in clients.registry.iter_models()
            },
            "archives": {one: _archive(clients.vault.retrieve_session(one)) for one in archives},
            "deleted": [one for one in deleted if _is_gone(clients, one)],
            "deletions": json.loads(mgw(stack, "vault", "deletions", "--json"))["deletions"],
            "graph": {one.id: _conversation(clients, one) for one in clients.graph.list_sessions().sessions},
        }
    return json.loads(json.dumps(found))


def _session(session: SessionInfo) -> dict[str, Any]:
    return {
        "model_id": session.model_id,
        "status": session.status,
        "started_at": format_timestamp(session.started_at),
        "ended_at": session.ended_at and format_timestamp(session.ended_at),
        "prompt_count": session.prompt_count,
        "total_tokens": session.total_tokens,
        "metadata": session.metadata,
    }


def usage(stats: UsageStats) -> dict[str, Any]:
    """A session's or a model's sums; not when they were asked for."""
    return {name: value for name, value in vars(stats).items() if name not in ("id", "from_", "to")}


def _archive(archive: Any) -> dict[str, Any]:
    times = ("archived_at", "received_at", "kept_until")
    return {name: format_timestamp(value) if name in times else value for name, value in vars(archive).items()}


def _conversation(clients: Clients, session: pb.Session) -> dict[str, Any]:
    nodes = [MessageToDict(node) for node in clients.graph.iter_nodes(session.id)]
    return {"session": MessageToDict(session), "nodes": nodes}


def _is_gone(clients: Clients, archive_id: str) -> bool:
    try:
        clients.vault.retrieve_session(archive_id)
    except Refused as error:
        return error.status == 404
    return False


def mgw(stack: ReleaseStack, *arguments: str) -> str:
    """What a command prints that works on the Vault's database."""
    return _run(stack, "-m", "memory_graph_workers.cli", *arguments)


def _run(stack: ReleaseStack, *arguments: str) -> str:
    environ: Mapping[str, str] = {**stack.child_environ(), **stack.service_settings("vault")}
    done = subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
