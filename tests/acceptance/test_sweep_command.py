"""The sweep's commands against a fleet whose graph is away, then back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from support import forked

SETTINGS = {"ARCHIVAL_AFTER_DAYS": "0", "TASK_MAX_ATTEMPTS": "2"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = Path(tmp_path_factory.mktemp("sweeping"))
    (home / "logs").mkdir()
    with forked.ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, SETTINGS)
        stack.start_services()
        yield stack


@pytest.fixture(scope="module")
def sessions(stack: Stack) -> list[str]:
    """Two completed sessions with a conversation."""
    config = RegistryConfig(stack.environ["REGISTRY_URL"], stack.environ["REGISTRY_API_KEY"])
    graph_config = MemoryGraphConfig(stack.environ["MEMORY_GRAPH_URL"], api_key=stack.environ["MEMORY_GRAPH_API_KEY"])
    with RegistryClient(config) as registry, MemoryGraphClient(graph_config) as graph:
        ids = [graph.create_session().id for _ in range(2)]
        for session_id in ids:
            graph.add_prompt(session_id, "hello")
            registry.register_session(SessionRegistration(session_id, "m"))
            registry.update_session_status(session_id, SessionStatus.COMPLETED)
    return ids


def mgw(stack: Stack, *arguments: str) -> tuple[int, Any]:
    """Run the command, and give back its exit code and what it printed."""
    done = forked.mgw(*arguments, environ=stack.child_environ())
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout + done.stderr


def test_a_dry_run_lists_what_is_due_and_changes_nothing(stack: Stack, sessions: list[str]) -> None:
    for _ in range(2):
        code, found = mgw(stack, "sweep", "--dry-run", "--json")
        assert code == 0
        assert {row["session_id"] for row in found["sessions"]} == set(sessions)
        assert found["content_bytes"] > 0
        assert found["problems"] == 0


def test_while_the_graph_is_away_sessions_fail_with_the_reason_and_stay(stack: Stack, sessions: list[str]) -> None:
    right = stack.environ["MEMORY_GRAPH_URL"]
    stack.environ["MEMORY_GRAPH_URL"] = "grpc://127.0.0.1:1"
    worker = stack.start_worker()
    code, ended = mgw(stack, "sweep", "--now", "--json")
    assert (code, ended["status"], ended["failed_count"]) == (1, "completed", 2)
    _, shown = mgw(stack, "sweeps", "show", ended["sweep_id"], "--json")
    assert set(shown["failures"]) == set(sessions)
    assert all("no connection" in reason for reason in shown["failures"].values())
    stack.children.stop(worker)
    stack.environ["MEMORY_GRAPH_URL"] = right


def test_when_the_graph_is_back_the_next_sweep_archives_them(stack: Stack, sessions: list[str]) -> None:
    stack.start_worker()
    code, ended = mgw(stack, "sweep", "--now", "--json")
    assert (code, ended["archived_count"], ended["success_rate"]) == (0, 2, 100.0)


def test_a_paused_sweep_says_how_to_go_on(stack: Stack) -> None:
    assert mgw(stack, "sweeps", "pause")[0] == 0
    code, said = mgw(stack, "sweep", "--now")
    assert code == 1
    assert "mgw sweeps resume" in said
    assert mgw(stack, "sweeps", "list", "--json")[1]["paused"] is True
    assert mgw(stack, "sweeps", "resume")[0] == 0
    assert mgw(stack, "sweep", "--now", "--json")[0] == 0


def test_an_unknown_sweep_is_said_to_be_unknown(stack: Stack) -> None:
    code, said = mgw(stack, "sweeps", "show", "nothing")
    assert code == 1
    assert "mgw sweeps list" in said
