"""The complete integration: a conversation in the graph, its record in the Registry, its archive in the Vault.

The application writes the conversation to the graph itself; it enqueues tasks with which a worker records the
session in the Registry and archives it in the Vault. It needs a broker and a running worker.

Run: REDIS_URL=… MEMORY_GRAPH_URL=… MEMORY_GRAPH_API_KEY=… python -m memory_graph_workers.examples.complete
"""

from celery import chain

from ..clients.config import MemoryGraphConfig
from ..clients.memory_graph import MemoryGraphClient
from ..schemas import memory_graph_pb2 as pb
from ..schemas.registry import SessionRegistration, SessionStatus, UsageReport
from ..tasks import archival, registry, vault

MODEL = "gpt-4"
TIMEOUT_SECS = 60.0


def main() -> None:
    """Add one conversation to the graph, record it, and archive it."""
    with MemoryGraphClient(MemoryGraphConfig.from_env()) as graph:
        session_id = converse(graph)
    record(session_id)
    archive(session_id)


def converse(graph: MemoryGraphClient) -> str:
    """Add a session with one prompt and one response to the graph, and return its id."""
    session = graph.create_session({"application": "example"})
    prompt = graph.add_prompt(session.id, "Explain quantum computing")
    tokens = pb.TokenUsage(prompt_tokens=10, completion_tokens=100, total_tokens=110)
    graph.add_response(prompt.id, "Quantum computing uses...", tokens)
    print(f"Session in the graph: {session.id}")
    return session.id


def record(session_id: str) -> None:
    """Register the session, report its tokens and complete it: as one chain, because a report needs the session."""
    steps = chain(
        registry.register_session.si(SessionRegistration(session_id, MODEL, tags=["production"])),
        registry.track_usage.si(UsageReport(session_id, 10, 100, model_id=MODEL)),
        registry.update_session_status.si(session_id, SessionStatus.COMPLETED),
    )
    session = steps.apply_async().get(timeout=TIMEOUT_SECS)
    print(f"Session registered: {session['status']}, {session['total_tokens']} tokens")


def archive(session_id: str) -> None:
    """Archive the session now instead of waiting for the sweep, and read the archive back."""
    archive_id = archival.archive_session.delay(session_id).get(timeout=TIMEOUT_SECS)["archive_id"]
    print(f"Session archived: {archive_id}")
    entry = vault.retrieve_session.delay(archive_id).get(timeout=TIMEOUT_SECS)
    print(f"Kept for {entry['retention_days']} days, {len(entry['data']['responses'])} response")


if __name__ == "__main__":
    main()
