"""A stack that has worked through a few tasks, good and bad, with words planted in what they carry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery, states
from memory_graph_workers.cli.stack.stack import Stack
from support.canaries.places import page
from support.canaries.words import word
from support.forked import ForkedChildren
from support.waiting import until

WORKER = "worker@local"
LARGE = 50_000


@dataclass
class Showcase:
    """The stack, the ids of its tasks by what they show, and the words that nobody should see."""

    stack: Stack
    ids: dict[str, str]
    words: dict[str, str]

    @property
    def secrets(self) -> dict[str, str]:
        return self.words | vars(self.stack.keys)


@contextmanager
def showcase(directory: Path, run: str) -> Iterator[Showcase]:
    """Start a stack in a new directory and let it work; it ends with the block."""
    (directory / "logs").mkdir()
    with ForkedChildren(directory / "logs") as children:
        stack = Stack(children, directory, {"ARCHIVAL_ENABLED": "false"})
        stack.start_services()
        stack.start_worker()
        stack.start_flower()
        until(lambda: WORKER in asked(stack, "/api/workers?status=1"))
        words = {place: word(place, run) for place in ("metadata", "conversation", "other", "value", "argsrepr")}
        yield Showcase(stack, worked(stack, words), words)


def asked(stack: Stack, path: str) -> str:
    """What Flower's API answers."""
    return page(stack.port("flower"), path, stack.keys.flower)[1]


def worked(stack: Stack, words: dict[str, str]) -> dict[str, str]:
    """Send each task, wait until Flower knows its end, and answer its id."""

    def done(wanted: str, name: str, **kwargs: Any) -> str:
        queue = f"memory_graph.{name.partition('.')[0]}"
        with Celery(broker=stack.environ["REDIS_URL"], set_as_current=False) as producer:
            sent = producer.send_task(f"memory_graph.{name}", kwargs=kwargs, queue=queue, argsrepr=words["argsrepr"])
        until(lambda: f'"state": "{wanted}"' in asked(stack, f"/api/task/info/{sent.id}"), lambda: name)
        return sent.id

    session = {"session_id": "s-1", "model_id": "gpt-4", "metadata": {"note": words["metadata"]}}
    entry = {"id": "a-1", "session_id": "s-1", "retention_days": 365, "data": words["conversation"] + "x" * LARGE}
    report = {"session_id": "s-1", "prompt_tokens": words["value"], "completion_tokens": 1}
    return {
        "registered": done(states.SUCCESS, "registry.register_session", registration=session),
        "read": done(states.SUCCESS, "registry.get_session", session_id="s-1"),
        "archived": done(states.SUCCESS, "vault.archive_session", entry=entry),
        "conflict": done(states.FAILURE, "vault.archive_session", entry={**entry, "data": words["other"]}),
        "missing": done(states.FAILURE, "registry.get_session", session_id="s-2"),
        "wrong": done(states.FAILURE, "registry.track_usage", report=report),
    }
