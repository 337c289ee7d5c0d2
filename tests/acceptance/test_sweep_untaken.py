"""`mgw sweep --now` that no worker takes: it says why, and what to do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from memory_graph_workers.delivery import installed
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.app import app
from support.our_app import stores_at
from support.waiting import LONGEST_SECS

MGW = """
import sys
from memory_graph_workers.cli import sweep
from memory_graph_workers.cli.main import mgw
sweep.TIMEOUT_SECS = 1.0  # not the minute that a person waits
mgw(sys.argv[1:])
"""
DECIDED = '{"is_held": true, "by": "alice", "reason": "the vault moves", "since": "2026-01-01T00:00:00Z"}'
Mgw = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mgw(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mgw]:
    """The command, with a broker and without a worker."""
    settings = {"REDIS_URL": broker.url, "VAULT_API_KEY": "key"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    connections.forget()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MGW, *arguments]
        environ = {**os.environ, **settings}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONGEST_SECS)

    with stores_at(broker.url):
        yield run
        connections.redis().flushall()
    connections.redis().close()
    connections.forget()


@pytest.mark.parametrize("service", ["registry", "vault", "memory_graph"])
def test_a_sweep_that_waits_on_a_held_queue_says_for_which_service(mgw: Mgw, service: str) -> None:
    installed(app).holds.put(service, 0, "it is down")
    told = mgw("sweep", "--now")
    assert told.returncode == 1
    assert f"its queue is held until {service} is back (see: mgw queues)" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_sweep_that_waits_on_a_queue_that_a_person_holds_says_who_and_why(mgw: Mgw) -> None:
    connections.redis().hset(installed(app).keys.by_hand, "memory_graph.archival", DECIDED)
    told = mgw("sweep", "--now")
    assert told.returncode == 1
    assert "its queue is held until a person releases it (alice: the vault moves) (see: mgw queues)" in told.stderr


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_sweep_that_no_worker_takes_says_how_to_start_one(mgw: Mgw, form: list[str]) -> None:
    told = mgw("sweep", "--now", *form)
    assert told.returncode == 1
    assert "No worker has taken the sweep. Is one running" in told.stderr
    assert "do not send it again" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_sweep_that_is_only_sent_waits_for_nobody(mgw: Mgw) -> None:
    told = mgw("sweep", "--now", "--no-wait", "--json")
    assert told.returncode == 0, told.stderr
    assert '"status": "sent"' in told.stdout
