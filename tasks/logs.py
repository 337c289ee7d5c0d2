"""The worker's and beat's log: one line an event, JSON unless a person looks at it."""

import logging
import sys
from typing import Any

from .discretion import keep_logs_discreet

# Facts that a log line may carry beside its message; Celery's own `data` holds arguments and stays out.
FACTS = ["service", "method", "route", "status", "duration_ms", "request_id", "sweep_id"]


def set_up(loglevel: Any = logging.INFO, logfile: str | None = None, **kwargs: Any) -> None:
    """Send everything that is logged through structlog, to standard error or to `logfile`."""
    import structlog  # here, because a producer imports this module and logs in its own way

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.FileHandler(logfile) if logfile else logging.StreamHandler(sys.stderr)
    a_person_looks = logfile is None and sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if a_person_looks else structlog.processors.JSONRenderer()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=FACTS)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    keep_logs_discreet(root)
    root.setLevel(loglevel or logging.INFO)
