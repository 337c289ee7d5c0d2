"""Clients of a real deployment, named by the environment; collected only when this folder is asked for.

`REGISTRY_URL=… REGISTRY_API_KEY=… VAULT_URL=… VAULT_API_KEY=… make integration`
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from memory_graph_workers.clients.config import RegistryConfig, VaultConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.registry import SessionInfo, SessionRegistration

HERE = Path(__file__).parent
MODEL = "integration-test/model:1"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a plain `pytest`: they write to a deployment."""
    asked_for = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(HERE in (path, *path.parents) for path in asked_for) else True


def need(*names: str) -> None:
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.fail(f"Set {' and '.join(missing)}: these tests call a real deployment (make integration).", False)


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryClient]:
    need("REGISTRY_URL")
    with RegistryClient(RegistryConfig.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def vault() -> Iterator[VaultClient]:
    need("VAULT_URL", "VAULT_API_KEY")
    with VaultClient(VaultConfig.from_env()) as client:
        yield client


@pytest.fixture
def session(registry: RegistryClient) -> Iterator[SessionInfo]:
    """A registered session, deleted in the end."""
    registration = SessionRegistration(f"integration-test-{uuid4()}", MODEL, tags=["integration-test"])
    yield registry.register_session(registration)
    registry.delete_session(registration.session_id)
