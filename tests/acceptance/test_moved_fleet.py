"""A fleet moves to a key prefix: what it kept under its old names is there under the new ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from redis import Redis
from support.forked import ForkedChildren, mgw
from support.using_stack import says
from support.waiting import until

pytestmark = pytest.mark.stack

MOVE = ("queues", "move", "--from", "", "--yes", "--json")
WAIT = "memory_graph:hold:asked:vault"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, {"TASK_MAX_ATTEMPTS": "1"})
        stack.start_services()
        yield stack


def moved(stack: Stack, code: int) -> dict[str, tuple[int, int]]:
    return {row["kind"]: (row["moved"], row["left"]) for row in says(stack, *MOVE, code=code)["moved"]}


def test_sweeps_letters_waits_and_beats_schedule_are_there_under_the_new_names(stack: Stack) -> None:
    worker, beat = stack.start_worker(), stack.start_beat()
    redis = Redis.from_url(stack.environ["REDIS_URL"])
    says(stack, "sweep", "--now")
    redis.lpush("memory_graph.vault", "no message")
    until(lambda: says(stack, "dead", "list", "--json")["count"] == 1)
    until(lambda: redis.exists("memory_graph:beat:sweep"))
    redis.set(WAIT, "1", ex=600)
    before = {name: says(stack, name, "list", "--json") for name in ("sweeps", "dead")}

    stack.environ["KEY_PREFIX"] = "green:"
    found = moved(stack, code=1)
    assert (found["dead letters"], found["sweeps"][1] > 0, found["holds"][1] > 0) == ((1, 0), True, True)
    assert found["beat's schedule"][1] > 0
    stack.children.stop(worker)
    stack.children.stop(beat)
    last_run: Any = redis.hget("memory_graph:beat:sweep", "meta")
    until(lambda: mgw(*MOVE, environ=stack.child_environ()).returncode == 0)
    assert {name: says(stack, name, "list", "--json") for name in before} == before
    assert redis.hget("green:memory_graph:beat:sweep", "meta") == last_run
    assert redis.ttl(f"green:{WAIT}") > 0
    # What stays expires by itself, or tells kombu of queues.
    left: Any = redis.keys("*")
    stay = (
        b"green:",
        b"_kombu.",
        b"celery-task-meta-",
        b"memory_graph:woken",
        b"memory_graph:breaker:registry:calls",
        b"memory_graph:workers",
        b"memory_graph:hold:queue:",
    )
    assert [key for key in left if not key.startswith(stay)] == []
    redis.close()
