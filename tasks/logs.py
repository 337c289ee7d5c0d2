"""The log of worker and beat: one line for each event, as JSON unless it goes to a terminal."""

import logging
import sys
from typing import TYPE_CHECKING, Any

from celery.app.log import Logging
from celery.utils.nodenames import node_format

from ..delivery.redaction import redact_logs

# What a log line may carry beside its message. Celery's own `data` is not among it: it holds arguments.
FACTS = ["service", "method", "route", "status", "duration_ms", "request_id", "sweep_id"]


if TYPE_CHECKING:
    _PlainLog: Any = object
else:
    _PlainLog = Logging


class Log(_PlainLog):
    """The log of this app's worker and beat; another app in the same process keeps its own."""

    def setup_logging_subsystem(self, loglevel: Any = None, logfile: str | None = None, **kwargs: Any) -> Any:
        """Set the log up once."""
        if self.already_setup:
            return None
        self.already_setup = True
        hostname = kwargs.get("hostname")
        set_up(loglevel, node_format(logfile, hostname) if logfile and hostname else logfile)
        return [set_up]


def set_up(loglevel: Any = logging.INFO, logfile: str | None = None, **kwargs: Any) -> None:
    """Send every log record through structlog, to standard error or to `logfile`."""
    import structlog  # only here: a producer imports this module, too, and logs in its own way

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.FileHandler(logfile) if logfile else logging.StreamHandler(sys.stderr)
    to_terminal = logfile is None and sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if to_terminal else structlog.processors.JSONRenderer()
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
    redact_logs(root)
    root.setLevel(loglevel or logging.INFO)
