"""One session as a Registry answers with it, and a client that asks once."""

from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE

from .http_server import FakeServer, whole

SESSION = whole(200, {"session_id": "s", "model_id": "m", "started_at": "2026-01-31T12:00:00Z", "status": "active"})
HEAD_BYTES = SESSION.index(b"\r\n\r\n") + 4


def once(server: FakeServer, timeout_secs: float = 5) -> RegistryClient:
    """A client that tries once."""
    return RegistryClient(RegistryConfig(server.url, "key-canary-5Vq", timeout_secs), retry_policy=ONCE)
