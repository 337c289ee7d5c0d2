"""The whole system on a primary that sentinels watch: one address for producers, worker, beat, Flower and `mgw`."""

import base64
import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.stack import Stack
from support.embedded import finished
from support.forked import ForkedChildren, mgw
from support.sentinels import PRIMARY, Watched
from support.sentinels import watched as watched
from support.waiting import until

pytestmark = pytest.mark.stack

REGISTERS = """
import sys
from memory_graph_workers.tasks.registry import register_session
print(register_session.delay(session_id=sys.argv[1], model_id="acme/model:1").get(timeout=120)["session_id"])
"""
FIRST, SECOND = "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a01", "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a02"


@pytest.fixture
def stack(watched: Watched, tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {})
        stack.start_services()
        stack.environ["REDIS_URL"] = watched.url
        stack.start_worker()
        stack.start_beat()
        stack.start_flower()
        yield stack


def registers(stack: Stack, session_id: str) -> bool:
    """Whether a producer of its own registers a session, and is told so."""
    told = finished([sys.executable, "-c", REGISTERS, session_id], stack.child_environ(), 0)
    return told.stdout.strip() == session_id


def says(stack: Stack, *arguments: str) -> Any:
    told = mgw(*arguments, environ=stack.child_environ())
    assert told.returncode == 0, told.stdout + told.stderr
    return json.loads(told.stdout) if "--json" in arguments else told.stdout


def flower(stack: Stack, path: str) -> str:
    """A page, as somebody sees it who has the password."""
    connection = http.client.HTTPConnection(LOOPBACK, stack.port("flower"), timeout=30)
    login = base64.b64encode(f"mgw:{stack.keys.flower}".encode()).decode()
    connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
    response = connection.getresponse()
    with response:
        body = response.read().decode()
    connection.close()
    assert response.status == 200
    return body


def test_a_failover_ends_none_of_them(watched: Watched, stack: Stack) -> None:
    assert registers(stack, FIRST)
    watched.fail_over()
    assert registers(stack, SECOND)
    until(lambda: watched.primary.redis.exists("memory_graph:beat::lock"))
    says(stack, "health", "beat")
    says(stack, "health", "worker", "--name", "worker@local")
    until(lambda: "worker@local" in flower(stack, "/api/workers?refresh=1"))
    for page in ("/broker", "/api/queues/length"):
        assert "memory_graph.registry" in flower(stack, page)
    found = {one["check"]: one for one in says(stack, "doctor", "--json")["findings"]}
    assert (found["redis (state, broker, results): role"]["state"]) == "ok"
    assert {one["queue"] for one in says(stack, "queues", "--json")["queues"]} >= {"memory_graph.registry"}
    assert f"/{PRIMARY}/0" in (stack.directory / "logs" / "worker.log").read_text()
    stack.children.check()
