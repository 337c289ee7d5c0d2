"""The services' databases as every case begins: 400 finished conversations, 40 days old. Made once, then copied."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from support.forked import ForkedChildren

SESSIONS = 400
AGE_SECS = 40 * 86_400.0
_SIDE_BY_SIDE = 4


def make_template(home: Path) -> list[str]:
    """Fill `home` with databases, by the services' own interfaces; returns the sessions' ids."""
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {})
        stack.start_services(registry_clock_offset_secs=-AGE_SECS)
        with (
            MemoryGraphClient(MemoryGraphConfig.from_env(stack.environ)) as graph,
            RegistryClient(RegistryConfig.from_env(stack.environ)) as registry,
            ThreadPoolExecutor(_SIDE_BY_SIDE) as pool,
        ):
            return list(pool.map(lambda number: _converse(graph, registry, number), range(SESSIONS)))


def copy_template(template: Path, home: Path) -> None:
    """Lay the databases of the Registry and of the graph into `home`."""
    for path in [*template.glob("registry.db*"), *template.glob("memory-graph.db*")]:
        shutil.copy(path, home)


def _converse(graph: MemoryGraphClient, registry: RegistryClient, number: int) -> str:
    session_id = graph.create_session().id
    prompt = graph.add_prompt(session_id, f"Question {number}?")
    graph.add_response(prompt.id, f"Answer {number}.")
    registry.register_session(SessionRegistration(session_id, "acme/model:1"))
    registry.update_session_status(session_id, SessionStatus.COMPLETED)
    return session_id
