"""Redaction: `showable` errors are shown in full, of any other error only its class and the lines of code.

Other exceptions may quote the value that they failed on, and that value may be private. Their text is kept out of
logs, events, results and dead letters: in the child process that raises them (`KeptTask.__call__`), in the parent
(`redact_info`) and in the log (`RedactingFilter`).
"""

import copy
import logging
import re
import traceback
import warnings
from types import TracebackType
from typing import Any, cast

from billiard import einfo
from billiard.einfo import ExceptionInfo
from celery import signals
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded, Terminated, TimeLimitExceeded
from celery.exceptions import WorkerLostError as LostChild
from celery.utils.serialization import UnpickleableExceptionWrapper

_Wrapped: Any = vars(einfo)["ExceptionWithTraceback"]  # not in the stubs
_HARMLESS = (SoftTimeLimitExceeded, TimeLimitExceeded, LostChild, Terminated, Ignore)
HIDDEN = "…"  # shown in logs, events and Flower in place of arguments and results
SIZE = re.compile(r"[\d,]+ bytes in all")  # or in place of all arguments together


class HiddenError(Exception):
    """Stands for an exception that is not `showable`; `error_class` names its class, its text is withheld."""

    def __init__(self, error_class: str = "Exception") -> None:
        super().__init__(error_class)
        self.error_class = error_class

    def __str__(self) -> str:
        return f"{self.error_class} (its text is withheld, it may quote content)"


class RedactingFilter(logging.Filter):
    """Removes the text of exceptions that are not `showable` from log records; class and traceback stay.

    Celery's line of a task that failed with a `showable` error, or was rejected, says why in one sentence, without a
    traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record, and let it pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.args, dict) and "exc" in record.args and isinstance(error, Reject):
            _say_rejected(record, error)
            error = None
        elif isinstance(record.args, dict) and "exc" in record.args and error is not None and is_showable(error):
            _say_why(record, error)
            error = None
        elif isinstance(record.args, dict) and "exc" in record.args and error is not None:
            record.args = {**record.args, "exc": repr(redacted(error)), "traceback": ""}
        elif isinstance(record.args, dict) and "return_value" in record.args:
            record.args = {**record.args, "return_value": HIDDEN}
        elif isinstance(record.args, tuple):
            record.args = tuple(_redacted_argument(value) for value in record.args)
        if error is not None and record.exc_info:
            shown = _without_causes(error)
            record.exc_info, record.exc_text = (type(shown), shown, record.exc_info[2]), None
        return True


def is_showable(error: BaseException) -> bool:
    """Return whether an error's class promises that its text never quotes content (`showable = True`)."""
    return getattr(type(error), "showable", False) is True


def size_of(message: Any) -> str:
    """Return the size of a task's body (arguments, callbacks, rest of the chain), in the form of `SIZE`."""
    body = message.body or b""
    size_bytes = len(body.encode(errors="surrogatepass") if isinstance(body, str) else body)
    return f"{size_bytes:,} bytes in all"


def redacted(error: BaseException) -> BaseException:
    """Return the error itself if its text is known to be harmless, else a HiddenError in its place."""
    if isinstance(error, Retry):
        return _redacted_retry(error)
    if isinstance(error, Reject):
        return _redacted_reject(error)
    if is_showable(error) or isinstance(error, (HiddenError, *_HARMLESS)):
        return error
    return HiddenError(name_of(error)).with_traceback(error.__traceback__)


def redact_info(info: Any) -> ExceptionInfo:
    """Redact a failure that a child process sent, in place, before it goes into events and logs."""
    info.exception = redacted(original(info))
    info.traceback = f"{_frames(info.tb)}{name_of(info.exception)}\n"
    return info


def original(info: Any) -> BaseException:
    """Return the exception itself, without the wrapper in which the pool sent it."""
    error: Any = info.exception
    return error.exc if isinstance(error, _Wrapped) else error


def name_of(error: BaseException) -> str:
    """Return the class name of an error, also of one that is hidden or wrapped."""
    if isinstance(error, HiddenError):
        return error.error_class
    if isinstance(error, UnpickleableExceptionWrapper):
        return str(error.exc_cls_name)
    return type(error).__name__


def safe_text(error: BaseException) -> str:
    """Return the text of an error if it may be shown, else its class."""
    safe = is_showable(error) or (isinstance(error, _HARMLESS) and not isinstance(error, Ignore))
    return str(error) if safe else name_of(error)


def _say_why(record: logging.LogRecord, error: BaseException) -> None:
    """Make one sentence of Celery's line of a failure that its error explains: where it was raised explains nothing."""
    why = f"{name_of(error)}: {error}"
    record.args = {**cast("dict[str, Any]", record.args), "description": "failed", "exc": why, "traceback": ""}
    record.exc_info, record.exc_text = None, None


def _say_rejected(record: logging.LogRecord, reject: Any) -> None:
    """Make one sentence of Celery's line of a task that was put back on its queue, or dropped, without a failure."""
    why = safe_text(reject.reason) if isinstance(reject.reason, BaseException) else "by the task itself"
    then = "it goes back on its queue and runs again" if reject.requeue else "it is not run again"
    record.args = {**cast("dict[str, Any]", record.args), "exc": f"was rejected ({why}): {then}", "traceback": ""}
    record.exc_info, record.exc_text = None, None


def _without_causes(error: BaseException) -> BaseException:
    """Return a redacted copy of an error without its causes, which a traceback would print, too."""
    safe = redacted(error)
    try:
        return copy.copy(safe) if safe is error else safe
    except TypeError:  # its class cannot be called with its arguments
        return HiddenError(name_of(error))


def _redacted_reject(reject: Any) -> Reject:
    reason: Any = redacted(reject.reason) if isinstance(reject.reason, BaseException) else None
    return Reject(reason, requeue=reject.requeue)


def _redacted_retry(retry: Any) -> Retry:
    if retry.exc is None or redacted(retry.exc) is retry.exc:
        return retry
    copied: Any = Retry(
        retry.message, cast(Any, redacted(retry.exc)), retry.when, is_eager=retry.is_eager, sig=retry.sig
    )
    return copied.with_traceback(retry.__traceback__)


def _redacted_argument(value: Any) -> Any:
    return redacted(value) if isinstance(value, BaseException) else value


def _frames(trace: TracebackType | None) -> str:
    """Return the lines of code of a traceback, without the text of the exceptions."""
    return "".join(traceback.format_tb(trace)) if trace is not None else ""


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def redact_logs(logger: logging.Logger | None = None, **kwargs: Any) -> None:
    """Put the filter on every handler of the worker's log, and silence a warning of Celery that quotes arguments.

    If you set up logging with the `setup_logging` signal, call this with each logger that has handlers.
    """
    logging.getLogger("celery.pool").setLevel(logging.INFO)  # its debug lines hold whole messages
    warnings.filterwarnings("ignore", "Exception raised outside body", RuntimeWarning)
    for handler in logger.handlers if logger else ():
        if not any(isinstance(known, RedactingFilter) for known in handler.filters):
            handler.addFilter(RedactingFilter())
