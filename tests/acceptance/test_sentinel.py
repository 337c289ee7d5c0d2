"""The whole system on a primary that sentinels watch: one address for producers, worker, beat, Flower and `mgw`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from support.forked import ForkedChildren
from support.sentinels import PRIMARY, Watched
from support.sentinels import watched as watched
from support.using_stack import flower, registers, says
from support.waiting import until

pytestmark = pytest.mark.stack

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
