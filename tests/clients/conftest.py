"""A server that does as it is told, and clients of it."""

from collections.abc import Iterator

import pytest
from fakes.http_server import FakeServer
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient

KEY = "key-canary-5Vq"
QUICK = RetryPolicy(initial_delay_secs=0.01)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def registry(server: FakeServer) -> Iterator[RegistryClient]:
    config = RegistryConfig(server.url, KEY, timeout_secs=5, honours_idempotency=True)
    with RegistryClient(config, retry_policy=QUICK) as client:
        yield client


@pytest.fixture
def vault(server: FakeServer) -> Iterator[VaultClient]:
    with VaultClient(VaultConfig(server.url, KEY, timeout_secs=5, batch_size=2), retry_policy=QUICK) as client:
        yield client
