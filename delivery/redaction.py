"""What a failure may say: our own errors in full, of any other only the class and the lines of code.

A foreign exception may quote what it choked on, and that may be a conversation. It is kept out of logs,
events, results and dead letters here: in the child where it is raised (`DiscreetTask`), in the parent
(`redact_info`) and on the way to the log (`RedactingFilter`).
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
HIDDEN = "…"  # what a log, an event and Flower show of arguments and results
SIZE = re.compile(r"[\d,]+ bytes in all")  # or this, of arguments and keywords together


class HiddenError(Exception):
    """A task failed with an exception that is not ours; `error_class` names it, its text is withheld."""

    def __init__(self, error_class: str = "Exception") -> None:
        super().__init__(error_class)
        self.error_class = error_class

    def __str__(self) -> str:
        return f"{self.error_class} (its text is withheld, it may quote content)"


class RedactingFilter(logging.Filter):
    """Takes the text of foreign exceptions out of a log record, and leaves class and traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, cleaned."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.args, dict) and "exc" in record.args and error is not None:
            record.args = {**record.args, "exc": repr(redacted(error)), "traceback": ""}
        elif isinstance(record.args, tuple):
            record.args = tuple(_redacted_argument(value) for value in record.args)
        if error is not None and record.exc_info:
            shown = _without_causes(error)
            record.exc_info, record.exc_text = (type(shown), shown, record.exc_info[2]), None
        return True


def is_showable(error: BaseException) -> bool:
    """Whether an error's class says that its text never quotes content (`showable = True`)."""
    return getattr(type(error), "showable", False) is True


def size_of(message: Any) -> str:
    """The size of a task's message (arguments, keywords and what follows in a chain), as `SIZE` has it."""
    body = message.body or b""
    size_bytes = len(body.encode(errors="surrogatepass") if isinstance(body, str) else body)
    return f"{size_bytes:,} bytes in all"


def redacted(error: BaseException) -> BaseException:
    """The same error where its text is known to be harmless, else a HiddenError in its place."""
    if isinstance(error, Retry):
        return _redacted_retry(error)
    if isinstance(error, Reject):
        return _redacted_reject(error)
    if is_showable(error) or isinstance(error, (HiddenError, *_HARMLESS)):
        return error
    return HiddenError(name_of(error)).with_traceback(error.__traceback__)


def redact_info(info: Any) -> ExceptionInfo:
    """Clean what a child sent about its failure, in place: the parent makes events and logs of it."""
    info.exception = redacted(original(info))
    info.traceback = f"{_frames(info.tb)}{name_of(info.exception)}\n"
    return info


def original(info: Any) -> BaseException:
    """The exception itself, out of the wrapping in which the pool carried it."""
    error: Any = info.exception
    return error.exc if isinstance(error, _Wrapped) else error


def name_of(error: BaseException) -> str:
    """The class of an error, also where it travelled hidden or wrapped."""
    if isinstance(error, HiddenError):
        return error.error_class
    if isinstance(error, UnpickleableExceptionWrapper):
        return str(error.exc_cls_name)
    return type(error).__name__


def safe_text(error: BaseException) -> str:
    """What an error says, if it is ours or harmless, else its class."""
    safe = is_showable(error) or (isinstance(error, _HARMLESS) and not isinstance(error, Ignore))
    return str(error) if safe else name_of(error)


def _without_causes(error: BaseException) -> BaseException:
    """A discreet copy of an error; its causes, which a traceback would print too, stay behind."""
    safe = redacted(error)
    try:
        return copy.copy(safe) if safe is error else safe
    except TypeError:  # it cannot be made anew from its arguments
        return HiddenError(name_of(error))


def _redacted_reject(reject: Any) -> Reject:
    reason: Any = redacted(reject.reason) if isinstance(reject.reason, BaseException) else None
    return Reject(reason, requeue=reject.requeue)


def _redacted_retry(retry: Any) -> Retry:
    if retry.exc is None or redacted(retry.exc) is retry.exc:
        return retry
    anew: Any = Retry(retry.message, cast(Any, redacted(retry.exc)), retry.when, is_eager=retry.is_eager, sig=retry.sig)
    return anew.with_traceback(retry.__traceback__)


def _redacted_argument(value: Any) -> Any:
    return redacted(value) if isinstance(value, BaseException) else value


def _frames(trace: TracebackType | None) -> str:
    """The lines of code of a traceback, without what the exceptions along it say."""
    return "".join(traceback.format_tb(trace)) if trace is not None else ""


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def redact_logs(logger: logging.Logger | None = None, **kwargs: Any) -> None:
    """Put the filter on every handler of the worker's log, and silence a warning of Celery's that quotes.

    Whoever sets the logging up by the `setup_logging` signal calls this with each logger that has handlers.
    """
    logging.getLogger("celery.pool").setLevel(logging.INFO)  # its debug lines hold whole messages
    warnings.filterwarnings("ignore", "Exception raised outside body", RuntimeWarning)
    for handler in logger.handlers if logger else ():
        if not any(isinstance(known, RedactingFilter) for known in handler.filters):
            handler.addFilter(RedactingFilter())
