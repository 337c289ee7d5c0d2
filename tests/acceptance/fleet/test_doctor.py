"""The doctor before a whole fleet, sound and not."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from kombu import Queue
from memory_graph_workers.cli.main import mgw
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.registry import get_session
from support.our_app import KEYS, delivery_with
from support.servers import PREFIX
from support.waiting import until


def examined(expected_exit: int = 0) -> dict[str, tuple[str, str]]:
    run = CliRunner().invoke(mgw, ["doctor", "--json"])
    assert run.exit_code == expected_exit, run.output
    found: dict[str, Any] = json.loads(run.stdout)
    assert found["ok"] is (expected_exit == 0)
    return {one["check"]: (one["state"], one["found"]) for one in found["findings"]}


def test_a_sound_fleet_passes_and_nothing_is_written(fleet: Stack) -> None:
    until(lambda: connections.redis().exists(KEYS.leader))  # the worker writes it soon after its start
    ours = f"{PREFIX}memory_graph*"
    before = {key: connections.redis().object("encoding", key) for key in connections.redis().keys(ours)}
    found = examined()
    failing = {check: seen for check, seen in found.items() if seen[0] != "ok" and check != "dead letters"}
    assert failing == {}
    assert found["registry: key"] == found["vault: key"] == found["memory-graph: key"] == ("ok", "accepted")
    assert {"workers", "queues", "pool", "visibility timeout of the workers", "version: celery"} <= set(found)
    assert set(connections.redis().keys(ours)) <= set(before)


@pytest.mark.parametrize("service", ["REGISTRY", "VAULT", "MEMORY_GRAPH"])
def test_a_key_that_is_refused_is_a_failure(fleet: Stack, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{service}_API_KEY", "not-the-key")
    found = examined(1)
    name = service.lower().replace("_", "-")
    assert (found[f"{name}: key"][0], found[f"{name}: health"][0]) == ("failure", "ok")


def test_services_that_are_down_are_failures(fleet: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    services = ["registry", "vault", "memory-graph"]
    monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MEMORY_GRAPH_URL", "grpc://127.0.0.1:1")
    found = examined(1)
    # What follows from that is no failure of its own, with advice that would not help.
    assert [check for check, seen in found.items() if seen[0] == "failure"] == [f"{name}: health" for name in services]
    assert {found[f"{name}: key"][0] for name in services} == {"skipped"}
    assert found["registry: repeats"][0] == "skipped"


def test_workers_with_another_timeout_are_a_failure(fleet: Stack) -> None:
    with delivery_with(visibility_timeout_secs=50):
        state, text = examined(1)["visibility timeout of the workers"]
    assert state == "failure"
    assert "60 s" in text


def test_wrong_settings_are_named(fleet: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVAL_RETENTION_DAYS", "never")
    assert "ARCHIVAL_RETENTION_DAYS" in examined(1)["settings"][1]


def test_a_message_says_when_it_was_sent(fleet: Stack) -> None:
    queue = f"aside-{uuid4()}"
    get_session.apply_async(("s",), queue=Queue(queue), exchange="", routing_key=queue)
    message = json.loads(connections.redis().lpop(f"{PREFIX}{queue}") or "{}")
    assert abs(message["headers"]["sent_at"] - time.time()) < 60
