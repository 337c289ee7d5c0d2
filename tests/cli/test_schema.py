"""The contract of the tasks: it is published as the code says it, and a worker takes what it allows and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator, Draft202012Validator
from memory_graph_workers.cli.schema.asyncapi import document
from memory_graph_workers.cli.schema.command import command, files
from memory_graph_workers.cli.schema.task import answer_schema, every_task, parameters_schema
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.parameters import PAYLOADS

CONTRACT = Path(__file__).parent.parent.parent / "docs" / "contract"
TASKS = every_task()
USAGE = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
ENTRY = {"session_id": "s", "data": {"a": 1}, "retention_days": 3}
SESSION, ARCHIVE = {"session_id": "s"}, {"archive_id": "a"}

# The least that each task takes.
LEAST: dict[str, dict[str, Any]] = {
    "registry.register_session": {"registration": {"session_id": "s", "model_id": "m"}},
    "registry.list_sessions": {},
    "registry.get_session": SESSION,
    "registry.reopen_session": {"session_id": "s"},
    "registry.update_session_status": {"session_id": "s", "status": "completed"},
    "registry.delete_session": SESSION,
    "registry.list_models": {},
    "registry.get_model_metadata": {"model_id": "m"},
    "registry.track_usage": {"report": USAGE},
    "registry.track_usage_batch": {"reports": [USAGE]},
    "registry.get_session_usage": SESSION,
    "registry.get_model_usage": {"model_id": "m"},
    "registry.health_check": {},
    "vault.archive_session": {"entry": ENTRY},
    "vault.batch_archive": {"entries": [ENTRY]},
    "vault.retrieve_session": ARCHIVE,
    "vault.delete_archive": ARCHIVE,
    "vault.create_retention_policy": {"policy": {"name": "n", "retention_days": 1, "compliance_level": "pci"}},
    "vault.apply_retention_policy": {"archive_id": "a", "policy_id": "p"},
    "vault.health_check": {},
    "archival.sweep": {},
    "archival.walk_page": {"sweep_id": "s", "pass_number": 1, "index": 0, "cursor": {}},
    "archival.archive_batch": {"sweep_id": "s", "session_ids": ["s"]},
    "archival.watch": {},
    "archival.archive_session": SESSION,
    "archival.archive_sessions": {"session_ids": ["s"]},
    "archival.create_compliance_policy": {"level": "gdpr"},
    "archival.create_standard_policy": {"retention_days": 365},
}
NAMES = [f"memory_graph.{name}" for name in LEAST]
VALUES: list[Any] = [None, True, -1, 0, 1, 0.5, 2**62, 2**63, "", "x", "..", "a\x00", "\n", "n" * 257, "1"]
VALUES += ["gdpr", "active", "beat", "2026-01-31T12:00:00Z", "2026-01-31", [], ["x"], [1], [None], ["s"] * 101]
VALUES += [{}, {"a": None}, [{}], [ENTRY, ENTRY], USAGE, ENTRY]


def calls(name: str) -> Iterator[dict[str, Any]]:
    """The least call of a task, and that with each parameter and each field left out, added or made another."""
    least, payload = LEAST[name.removeprefix("memory_graph.")], TASKS[name].parameters.payload
    for start in [least, least[payload]] if payload else [least]:
        yield start
        yield {**start, "typo": 1}
        for member in {*start, *TASKS[name].parameters.hints}:
            yield from changed(start, member)
        if payload:
            fields = set(PAYLOADS[TASKS[name].parameters.hints[payload]].fields) - {"total_tokens"}  # a sum: see below
            for member in fields if start is not least else ():
                yield from changed(start, member)
            for member in fields if start is least else ():
                yield from ({payload: inner} for inner in changed(least[payload], member))


def changed(start: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in start.items() if name != member}
    yield from ({**start, member: value} for value in VALUES)


def is_taken(name: str, call: dict[str, Any]) -> bool:
    """Whether the worker takes a call."""
    try:
        TASKS[name].parameters.received((), call, "task-1")
    except ValidationError:
        return False
    return True


def test_every_task_of_the_app_is_in_the_contract() -> None:
    assert sorted(TASKS) == sorted(NAMES) == sorted(name for name in app.tasks if name.startswith("memory_graph."))


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_takes_what_the_schema_of_a_task_allows_and_nothing_else(name: str) -> None:
    schema = Draft202012Validator(parameters_schema(TASKS[name]))
    found = {True: 0, False: 0}
    for call in calls(name):
        taken = is_taken(name, call)
        assert schema.is_valid(call) == taken, call
        found[taken] += 1
    assert all(found.values())


def test_a_call_by_parameter_and_by_fields_at_once_is_refused() -> None:
    both = {"report": USAGE, **USAGE}
    assert not Draft202012Validator(parameters_schema(TASKS["memory_graph.registry.track_usage"])).is_valid(both)
    assert not is_taken("memory_graph.registry.track_usage", both)


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name: str) -> None:
    for schema in (parameters_schema(TASKS[name]), answer_schema(TASKS[name])):
        Draft202012Validator.check_schema(schema or {})
    assert (answer_schema(TASKS[name]) is None) == TASKS[name].ignore_result


def test_the_document_reads_the_same_for_tools_of_draft_07() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
        assert {"prefixItems", "$defs", "dependentRequired", "unevaluatedProperties"}.isdisjoint(keys(schema))
        assert beside_references(schema) == set(), "draft-07 ignores what stands beside a $ref"


def keys(value: Any) -> Iterator[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield str(key)
        yield from keys(part)


def beside_references(value: Any) -> set[str]:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = set(value) - {"$ref"} if isinstance(value, dict) and "$ref" in value else set()
    return own.union(*map(beside_references, parts))


def test_the_published_contract_is_what_the_code_says() -> None:
    published = [CONTRACT / "tasks.asyncapi.json", *(CONTRACT / "tasks").iterdir()]
    found = {str(path.relative_to(CONTRACT)): path.read_text(encoding="utf-8") for path in published}
    assert found == files(), "run: make contract"


def printed(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(command, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_prints_one_task_by_its_whole_or_its_short_name() -> None:
    whole, short = (printed(f"{prefix}registry.get_session") for prefix in ("memory_graph.", ""))
    assert json.loads(whole) == json.loads(short) == parameters_schema(TASKS["memory_graph.registry.get_session"])
    assert json.loads(printed("registry.health_check", "--result"))["type"] == "boolean"


def test_the_command_prints_the_whole_document_and_writes_every_file(tmp_path: Path) -> None:
    assert json.loads(printed()) == document()
    assert f"{len(files())} files" in printed("--out", str(tmp_path / "new"))
    assert {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*.json")} == set(files())


def test_the_command_says_what_to_do_instead() -> None:
    assert "memory_graph.registry.track_usage" in printed("registry.trak_usage", code=1)
    assert "has no result" in printed("registry.track_usage", "--result", code=1)
    assert "needs the name of a TASK" in printed("--result", code=2)
    assert "takes no TASK" in printed("registry.get_session", "--out", "x", code=2)
    assert "Cannot write to" in printed("--out", "/proc/nowhere", code=1)
