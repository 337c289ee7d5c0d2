"""One JSON line on stderr for each request, without anything that the request carried."""

import json
import logging
import re
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ...tracing.context import trace_id
from .traced import describe_response

LOGGER = logging.getLogger("memory_graph_workers.services")
_VALID_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object, with the id of its trace; `extra={"facts": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the JSON object."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts: dict[str, Any] = getattr(record, "facts", {})
        said = {"at": at, "level": record.levelname.lower(), "event": record.getMessage(), **facts}
        current = trace_id()
        return json.dumps(said if current is None else {"trace_id": current, **said})


def log_to_stderr() -> None:
    """Send the services' log to stderr, and only there, in a process that logs nothing else."""
    # No line names a thread or a process, and to look them up took a third of a line's time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def request_id(given: str | None) -> str:
    """The caller's request id if it is a plain token, else a new one."""
    return given if given and _VALID_ID.fullmatch(given) else str(uuid4())


def log_request(facts: dict[str, Any]) -> None:
    """Log what became of a request; from where this is called, which the log does not say, is not looked for."""
    if LOGGER.isEnabledFor(logging.INFO):
        record = logging.LogRecord(LOGGER.name, logging.INFO, "", 0, "request", None, None)
        record.facts = facts
        LOGGER.handle(record)


def log_response(method: str, route: str | None, status: int, started: float, own_id: str) -> None:
    """Log the response to a request that came at `started`, by the monotonic clock, and name its span."""
    describe_response(method, route, status)
    duration_ms = round((time.monotonic() - started) * 1000, 1)
    facts = {"method": method, "route": route, "status": status, "duration_ms": duration_ms, "request_id": own_id}
    log_request(facts)


def log_failure(error: BaseException, facts: dict[str, Any]) -> None:
    """Log an error's type and where it came from; its text is left out because it may quote a payload."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    LOGGER.error("failure", extra={"facts": {**facts, "error": type(error).__name__, "at_lines": places}})
