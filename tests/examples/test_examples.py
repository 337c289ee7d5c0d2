"""Each example runs as its reader runs it, and does what it prints."""

import re

from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from support.embedded import Embedded

UUID = "[0-9a-f-]{36}"


def printed(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    assert found, output
    return found[1]


def completed_session(stack: Embedded) -> str:
    session_id = stack.graph.create_session().id
    stack.graph.add_prompt(session_id, "Is it due?")
    stack.registry.register_session(SessionRegistration(session_id, "gpt-4"))
    stack.registry.update_session_status(session_id, SessionStatus.COMPLETED)
    return session_id


def test_the_registry_example_registers_a_session_and_reads_its_tokens_back(stack: Embedded) -> None:
    output = stack.example("registry")
    session_id = printed(f"Session registered: .*'(example-{UUID})'", output)
    assert "Model: gpt-4 v" in output
    assert "Total tokens used: 300" in output
    assert stack.registry.get_session_usage(session_id).total_tokens == 300


def test_the_vault_example_archives_a_session_under_the_longer_policy(stack: Embedded) -> None:
    output = stack.example("vault")
    archive = stack.vault.retrieve_session(printed(f"Archived with ID: ({UUID})", output))
    assert archive.retention_days == 2555
    assert archive.data["responses"] == ["response1", "response2"]
    assert f"Retrieved data: {archive.data}" in output


def test_the_complete_example_archives_the_conversation_that_it_made(stack: Embedded) -> None:
    output = stack.example("complete")
    session_id = printed(f"Session in the graph: ({UUID})", output)
    archive = stack.vault.retrieve_session(printed(f"Session archived: ({UUID})", output))
    assert archive.session_id == session_id
    assert [prompt["content"] for prompt in archive.data["prompts"]] == ["Explain quantum computing"]
    assert "Session registered: completed, 110 tokens" in output
    assert "Kept for 365 days, 1 response" in output


def test_the_scheduler_example_archives_what_is_due_and_leaves_sweeps_running(stack: Embedded) -> None:
    session_id = completed_session(stack)
    output = stack.example("scheduler")
    assert stack.registry.get_session(session_id).status is SessionStatus.ARCHIVED
    assert int(printed(r"Archived (\d+), failed 0, skipped 0", output)) >= 1
    assert "Success rate: 100.0 %" in output
    assert output.splitlines()[-2:] == ["A sweep sent now: paused", "Sweeps may start"]


def test_the_scheduler_example_leaves_sweeps_paused_where_they_were(stack: Embedded) -> None:
    stack.mgw("sweeps", "pause")
    try:
        assert stack.example("scheduler").endswith("A sweep sent now: paused\n")
        assert "paused" in stack.mgw("sweeps", "list")
    finally:
        stack.mgw("sweeps", "resume")
