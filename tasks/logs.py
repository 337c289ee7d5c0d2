"""The log of worker and beat: one line for each event, as JSON unless it goes to a terminal.

Each line that is written while a task runs names the task, also in the threads of side_by_side; the task's last line
has the id of its latest request, too.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.app.log import Logging
from celery.utils.nodenames import node_format

from ..clients.request_log import forget_requests, latest_request_id
from ..delivery.redaction import redact_logs
from .failed_items import forget_failed, without_success

# What a log line may carry beside its message. Celery's own `data` is not among it: it holds arguments.
FACTS = [
    *("task_id", "task_name", "service", "method", "route", "status", "duration_ms", "request_id", "sweep_id"),
    *("queue", "user", "reason"),  # what a person did, to what, and why
]
_RECEIVED, _OUTCOME = "celery.worker.strategy", "celery.app.trace"  # Celery's loggers of a task's first and last line

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

    signals.task_prerun.connect(_begin_task)
    signals.task_postrun.connect(_end_task)
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
            foreign_pre_chain=[
                *shared,
                structlog.stdlib.ExtraAdder(allow=FACTS),
                structlog.contextvars.merge_contextvars,
                _name_task,
                _tell_failed_items,
            ],
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


def _begin_task(task_id: str, task: Any, **kwargs: Any) -> None:
    import structlog

    forget_requests()
    forget_failed()
    task.request.log_context = structlog.contextvars.bind_contextvars(task_id=task_id, task_name=task.name)


def _end_task(task: Any, **kwargs: Any) -> None:
    """Name the task again in which this one ran, or none."""
    import structlog

    forget_requests()
    forget_failed()
    structlog.contextvars.reset_contextvars(**task.request.log_context)


def _name_task(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the task that a line of Celery's is about, and to the task's last line its latest request."""
    about = getattr(line["_record"], "data", None)
    if line["logger"] in (_RECEIVED, _OUTCOME) and isinstance(about, dict):
        line.setdefault("task_id", about["id"])
        line.setdefault("task_name", about["name"])
    if line["logger"] == _OUTCOME and (request_id := latest_request_id()):
        line.setdefault("request_id", request_id)
    return line


def _tell_failed_items(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let the last line of a task with failed items say so, as a warning."""
    if line["logger"] == _OUTCOME and (event := without_success(line["event"])) != line["event"]:
        line.update(event=event, level="warning")
    return line
