"""The log line of a request, and the id of the latest request."""

import logging
from contextvars import ContextVar

from .status_names import spoken_status

_LATEST: ContextVar[str | None] = ContextVar("memory_graph_latest_request", default=None)


def latest_request_id() -> str | None:
    """Return the id of the latest request of this thread or task, as the service's own log has it."""
    return _LATEST.get()


def forget_requests() -> None:
    """Let no earlier request be the latest: something else begins."""
    _LATEST.set(None)


def log_request(logger: logging.Logger | None, request_id: str, **facts: str | float | None) -> None:
    """Remember a request as the latest, and log it as one line, if there is a logger."""
    _LATEST.set(request_id)
    if logger is not None and logger.isEnabledFor(logging.INFO):
        said = {**facts, "request_id": request_id}
        status = facts.get("status")
        shown = {**said, "status": spoken_status(status)} if isinstance(status, int) else said
        logger.info("%s", " ".join(f"{name}={value}" for name, value in shown.items()), extra=said)
