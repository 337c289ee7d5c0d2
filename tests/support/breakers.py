"""Calls that fail, for the tests of the circuit breaker."""

from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers.clients.breaker import Breaker
from memory_graph_workers.clients.errors import IntegrationError, ServiceUnavailable

RESET_SECS = 1.0
CACHE_SECS = 0.25


def failing(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def fail(breaker: Breaker, times: int, error: BaseException | None = None) -> None:
    """Let so many calls fail."""
    for _ in range(times):
        with pytest.raises((IntegrationError, ValueError)):
            breaker.call(failing(error or ServiceUnavailable("down", status=500)))


def opened(breaker: Breaker) -> Breaker:
    fail(breaker, 5)
    assert breaker.state == "open"
    return breaker


def fail_as(breaker: Breaker, *requests: str, operation: str = "get", error: Exception | None = None) -> None:
    """Let the calls of these requests fail."""
    for request in requests:
        with pytest.raises((IntegrationError, ValueError)):
            breaker.call(failing(error or ServiceUnavailable(status=500)), operation, request.encode)
