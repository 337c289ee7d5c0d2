"""A whole fleet on loopback: a real broker, the real services, a real worker; and this process as producer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient, pb
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.delivery.connections.address import as_one_host
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.config import BrokerConfig
from support.broker import close
from support.forked import ForkedChildren
from support.our_app import delivery_with
from support.stores import store_for

# Sessions are due at once, and a task gives up after the second attempt.
SETTINGS = {
    "ARCHIVAL_AFTER_DAYS": "0",
    "ARCHIVAL_BATCH_SIZE": "10",
    "TASK_MAX_ATTEMPTS": "2",
    "USAGE_WAITS_FOR_SESSION_SECS": "4",
    "VAULT_MAX_ENTRY_BYTES": "200000",
    "VAULT_MAX_BODY_BYTES": "400000",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = Path(tmp_path_factory.mktemp("fleet"))
    (home / "logs").mkdir()
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, SETTINGS)
        stack.start_services()
        with store_for(stack, home / "store"):
            stack.start_worker()
            found = BrokerConfig.from_env(stack.environ)
            app.conf.update(broker_settings(found.broker), result_backend=as_one_host(found.results))
            with delivery_with(url=found.broker, state_url=found.state):
                yield stack
            close(app)


@pytest.fixture(scope="module")
def fleet(stack: Stack) -> Iterator[Stack]:
    """The stack, with this process's environment pointing at it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environ.items():
            patch.setenv(name, value)
        connections.forget()
        yield stack
        connections.redis().close()
        connections.forget()


@pytest.fixture(scope="module")
def registry(fleet: Stack) -> Iterator[RegistryClient]:
    with RegistryClient(RegistryConfig.from_env()) as client:
        yield client


@pytest.fixture(scope="module")
def vault(fleet: Stack) -> Iterator[VaultClient]:
    with VaultClient(VaultConfig.from_env()) as client:
        yield client


@pytest.fixture(scope="module")
def graph(fleet: Stack) -> Iterator[MemoryGraphClient]:
    with MemoryGraphClient(MemoryGraphConfig.from_env()) as client:
        yield client


@pytest.fixture
def finished(registry: RegistryClient, graph: MemoryGraphClient) -> Callable[..., str]:
    """A conversation in the graph whose session is registered and completed."""

    def make(*texts: str) -> str:
        session_id = graph.create_session().id
        for text in texts or ("How tall is it?",):
            prompt = graph.add_prompt(session_id, text)
            graph.add_response(prompt.id, f"An answer to: {text}", pb.TokenUsage(total_tokens=3))
        registry.register_session(SessionRegistration(session_id, "acme/model:1"))
        registry.update_session_status(session_id, SessionStatus.COMPLETED)
        return session_id

    return make
