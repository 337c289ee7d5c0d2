"""One JSON line on stderr for each request, with nothing that the request carried."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

LOGGER = logging.getLogger("memory_graph_workers.services")
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object; `extra={"facts": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the object."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts: dict[str, Any] = getattr(record, "facts", {})
        return json.dumps({"at": at, "level": record.levelname.lower(), "event": record.getMessage(), **facts})


def log_to_stderr() -> None:
    """Send the services' log to stderr, and only there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def request_id(offered: str | None) -> str:
    """The id the caller gave, if it is a plain token, else a new one."""
    return offered if offered and _SANE_ID.fullmatch(offered) else str(uuid4())


def log_failure(error: BaseException, facts: dict[str, Any]) -> None:
    """Say what kind of error came from where; its text may quote a payload and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    LOGGER.error("failure", extra={"facts": {**facts, "error": type(error).__name__, "at_lines": places}})
