"""Celery's own `task_always_eager`: a task runs where it is sent, with no key and no broker."""

from collections.abc import Iterator

import pytest
from memory_graph_workers.clients.errors import InvalidConfig, NotFound
from memory_graph_workers.tasks import connections, vault
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.registry import track_usage
from support.fakes.http_server import answer
from support.fakes.usage import Registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        for name in ("REGISTRY_API_KEY", "VAULT_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("REGISTRY_URL", running.url)
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
        connections.forget()
        app.conf.task_always_eager = True
        yield running
        app.conf.task_always_eager = False
        connections.forget()


def test_a_task_of_the_registry_needs_no_key_of_the_vault(registry: Registry) -> None:
    track_usage.delay(session_id="s", prompt_tokens=1, completion_tokens=2).get(timeout=1)
    assert registry.reported == ["s"]


def test_a_task_of_the_vault_says_which_key_it_needs(registry: Registry) -> None:
    failed = vault.archive_session.delay(session_id="s", data=1, retention_days=30)
    with pytest.raises(InvalidConfig, match="VAULT_API_KEY"):
        failed.get(timeout=1)


def test_a_report_does_not_wait_for_its_session(registry: Registry) -> None:
    registry.steps["none"] = answer(404, {"code": 404, "status": "Not Found", "message": "No session has this id."})
    failed = track_usage.delay(session_id="none", prompt_tokens=1, completion_tokens=2)
    with pytest.raises(NotFound):
        failed.get(timeout=1)
