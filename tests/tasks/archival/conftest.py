"""The settings of a worker whose Registry is in this process; no service is asked."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.state import Sweeps
from support.fakes.listing import SIZE, Registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    found = Registry()
    monkeypatch.setenv("ARCHIVAL_BATCH_SIZE", str(SIZE))
    monkeypatch.setenv("CALLS_SIDE_BY_SIDE", "1")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("VAULT_API_KEY", "k")
    connections.forget()
    monkeypatch.setattr(connections, "registry", lambda: found)
    yield found
    connections.forget()


@pytest.fixture
def sweeps() -> Sweeps:
    return Sweeps(FakeRedis())
