"""This project's own app in a test's process: its keys in Redis, and delivery set up in another way."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from memory_graph_workers.delivery import installed
from memory_graph_workers.delivery.settings import remember
from memory_graph_workers.tasks.app import app

KEYS = installed(app).keys


@contextmanager
def stores_at(url: str) -> Generator[None]:
    """Let this process keep dead letters and holds at `url`."""
    with delivery_with(state_url=url):
        yield


@contextmanager
def delivery_with(**changes: Any) -> Generator[None]:
    """Let `installed(app)` say something else in this process."""
    before = installed(app)
    remember(app, replace(before, **changes))
    try:
        yield
    finally:
        remember(app, before)
