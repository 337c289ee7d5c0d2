"""This project's own app in a test's process: its keys in Redis, and its stores at another address."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from memory_graph_workers.delivery import installed
from memory_graph_workers.delivery.installation import remember
from memory_graph_workers.tasks.app import app

KEYS = installed(app).keys


@contextmanager
def stores_at(url: str) -> Generator[None]:
    """Let this process keep dead letters and holds at `url`."""
    before = installed(app)
    remember(app, replace(before, state_url=url))
    try:
        yield
    finally:
        remember(app, before)
