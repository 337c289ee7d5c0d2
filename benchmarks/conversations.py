"""Sessions that are due, with conversations, as the services keep them: filled once, and copied for each run."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, StatusUpdate
from memory_graph_workers.schemas.vault import ComplianceLevel, RetentionPolicy
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.memory_graph import records as graph_records
from memory_graph_workers.services.memory_graph import store as graph_store
from memory_graph_workers.services.registry import records as registry_records
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.vault import policies as vault_policies
from memory_graph_workers.services.vault import records as vault_records
from payloads import due_session_id
from sqlalchemy.orm import Session

SESSIONS = 4000
ENDED = now() - timedelta(days=60)
TEXT = "What one side says to the other, about as long as people write. " * 8
TURNS = 2
POLICY_ID, RETENTION_DAYS = "standard-365", 365


def fill_registry(url: str) -> None:
    """Sessions that ended long ago."""

    def work(session: Session) -> None:
        for number in range(SESSIONS):
            registry_sessions.register(session, SessionRegistration(due_session_id(number), "small-model"), ENDED)
            completed = StatusUpdate(SessionStatus.COMPLETED)
            registry_sessions.change_status(session, due_session_id(number), completed, ENDED)

    _write(Storage(DatabaseUrl().deserialize(url), registry_records.Base), work)


def fill_graph(url: str) -> None:
    """A conversation of two turns each."""

    def work(session: Session) -> None:
        for number in range(SESSIONS):
            name = due_session_id(number)
            session.add(graph_records.SessionRecord(session_id=name, created_at=ENDED, updated_at=ENDED, details={}))
            session.flush()
            for _ in range(TURNS):
                prompt = graph_store.add_prompt(session, pb.AddPromptRequest(session_id=name, content=TEXT))
                session.flush()
                graph_store.add_response(session, pb.AddResponseRequest(prompt_id=prompt.id, content=TEXT))

    _write(Storage(DatabaseUrl().deserialize(url), graph_records.Base), work)


def fill_vault(url: str) -> None:
    """The policy that the peers put archives under; the sweep makes its own."""
    policy = RetentionPolicy(POLICY_ID, RETENTION_DAYS, ComplianceLevel.STANDARD, policy_id=POLICY_ID)
    _write(
        Storage(DatabaseUrl().deserialize(url), vault_records.Base),
        lambda session: vault_policies.create(session, policy, now()),
    )


def _write(storage: Storage, work: Callable[[Session], Any]) -> None:
    storage.create()
    storage.write(work)
    storage.close()
