"""What the probe of a service takes for life, and how delivery runs it."""

import time
from collections.abc import Iterator

import pytest
from memory_graph_workers.delivery import installed
from memory_graph_workers.delivery.held_queues.probes import Probes, command_of
from memory_graph_workers.tasks import probe
from memory_graph_workers.tasks.app import app
from support.fakes.http_server import FakeServer, hang
from support.waiting import LONGEST_SECS, SOON_SECS, until


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as server:
        for name, value in {"REGISTRY_URL": server.url, "REGISTRY_API_KEY": "key", "VAULT_API_KEY": "key"}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def probes() -> Iterator[Probes]:
    """Probes as our workers run them."""
    probes = Probes(command_of(installed(app).probe or ""))
    yield probes
    probes.stop()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (404, 0), (429, 0), (500, 1), (503, 1)])
def test_a_probe_takes_any_answer_for_life_but_one_of_trouble(registry: FakeServer, status: int, code: int) -> None:
    registry.answers(status)
    assert probe.main("registry") == code


def test_a_probe_that_hangs_keeps_nobody_waiting(registry: FakeServer, probes: Probes) -> None:
    registry.answers(hang)
    assert probes.ask("registry") is None
    until(lambda: registry.requests)
    started = time.monotonic()
    assert probes.ask("registry") is None
    probes.stop()
    assert time.monotonic() - started < SOON_SECS


def test_a_service_is_asked_in_a_process_of_its_own_and_not_at_once_again(
    registry: FakeServer, probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_PROBE_SECS", "PROBE_EVERY_SECS"):  # a busy machine needs more than a probe is given
        monkeypatch.setattr(f"memory_graph_workers.delivery.held_queues.probes.{name}", LONGEST_SECS)
    registry.answers(200)
    until(lambda: probes.ask("registry"))
    assert probes.ask("registry") is None
    assert [received.path for received in registry.requests] == ["/health"]
