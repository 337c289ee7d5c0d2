"""The whole system where others know the server: one address for producers, worker, beat, Flower and `mgw`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from support.clusters import Cluster
from support.forked import ForkedChildren
from support.sentinels import PRIMARY, Watched
from support.using_stack import flower, registers, says
from support.waiting import until

pytestmark = pytest.mark.stack

FIRST, SECOND = "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a01", "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a02"


@pytest.fixture(params=["sentinel", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A primary that sentinels watch, or a cluster."""
    servers = Watched(tmp_path) if request.param == "sentinel" else Cluster(tmp_path, "mgw")
    try:
        servers.begin()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def stack(servers: Any, tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {})
        stack.start_services()
        stack.environ["REDIS_URL"] = servers.url
        stack.start_worker()
        stack.start_beat()
        stack.start_flower()
        yield stack


def test_a_failover_ends_none_of_them(servers: Any, stack: Stack) -> None:
    before, name = ("", f"/{PRIMARY}/0") if isinstance(servers, Watched) else ("{mgw}:", "/{mgw}")
    assert registers(stack, FIRST)
    servers.fail_over()
    assert registers(stack, SECOND)
    says(stack, "sweep", "--now")
    until(lambda: servers.redis.exists(f"{before}memory_graph:beat::lock"))
    says(stack, "health", "beat")
    says(stack, "health", "worker", "--name", "worker@local")
    until(lambda: "worker@local" in flower(stack, "/api/workers?refresh=1"))
    for page in ("/broker", "/api/queues/length"):
        assert "memory_graph.registry" in flower(stack, page)
    found = {one["check"]: one for one in says(stack, "doctor", "--json")["findings"]}
    assert (found["redis (state, broker, results): role"]["state"]) == "ok"
    assert {one["queue"] for one in says(stack, "queues", "--json")["queues"]} >= {"memory_graph.registry"}
    assert name in (stack.directory / "logs" / "worker.log").read_text()
    assert [key for key in servers.redis.keys("*") if not key.startswith(before.encode())] == []
    stack.children.check()
