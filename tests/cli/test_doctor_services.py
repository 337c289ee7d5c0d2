"""What the doctor says of a Registry's idempotency keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from memory_graph_workers.cli.doctor.finding import Finding, State
from memory_graph_workers.cli.doctor.services import check_registry
from memory_graph_workers.tasks.config import WorkerConfig
from support.fakes.http_server import FakeServer, Step, answer, cut


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


def repeats(server: FakeServer, monkeypatch: pytest.MonkeyPatch, setting: str, health: Step) -> Finding:
    monkeypatch.setenv("REGISTRY_URL", server.url)
    monkeypatch.setenv("VAULT_API_KEY", "k")
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", setting)
    server.default = health
    (found,) = [one for one in check_registry(WorkerConfig.from_env()) if one.check == "registry: repeats"]
    return found


def says(facts: Any) -> Step:
    return answer(200, {"capabilities": {"idempotency": facts}})


@pytest.mark.parametrize(
    ("setting", "health", "state", "found", "fix"),
    [
        ("auto", says({"kept_days": None}), State.OK, "kept for ever", ""),
        ("auto", says({"kept_days": 90}), State.OK, "kept for 90 days", ""),
        ("auto", says(None), State.WARNING, "says nothing", "=true only if"),
        ("auto", answer(404), State.WARNING, "says nothing", "=true only if"),
        ("auto", cut, State.SKIPPED, "not checked", ""),
        ("true", says(None), State.OK, "=true", ""),
        ("false", says({"kept_days": None}), State.WARNING, "=false", "Remove REGISTRY_HONOURS_IDEMPOTENCY"),
    ],
)
def test_repeats_are_judged_by_the_setting_or_by_what_health_says(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, setting: str, health: Step, state: State, found: str, fix: str
) -> None:
    seen = repeats(server, monkeypatch, setting, health)
    assert (seen.state, found in seen.found, fix in seen.fix) == (state, True, True)
