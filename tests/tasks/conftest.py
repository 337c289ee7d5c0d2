"""Fixtures of the tests of tasks."""

from collections.abc import Iterator

import pytest
from memory_graph_workers.clients import capabilities
from memory_graph_workers.tasks import connections
from support.fakes.usage import Attempts, Registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        monkeypatch.setenv("REGISTRY_URL", running.url)
        monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", "auto")
        monkeypatch.setenv("VAULT_API_KEY", "k")
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
        monkeypatch.setattr(capabilities, "KEPT_SECS", 0.0)  # every attempt reads /health
        connections.forget()
        yield running
        connections.forget()


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    return Attempts(monkeypatch)
