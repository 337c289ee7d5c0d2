"""The log of a task that ends well although some of its items failed: it must not read like a success."""

import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar

_COUNT: ContextVar[int] = ContextVar("memory_graph_failed_items", default=0)
_EXAMPLES = 2

logger = logging.getLogger(__name__)


def tell_failed(what: str, reasons: Sequence[str] | Mapping[str, str], others: str, next_step: str) -> None:
    """Warn that items failed, with their number, some of the reasons and what to do next; nothing if there is none."""
    if not reasons:
        return
    _COUNT.set(_COUNT.get() + len(reasons))
    given = list(dict.fromkeys(reasons.values() if isinstance(reasons, Mapping) else reasons))
    more = ", …" if len(given) > _EXAMPLES else ""
    failed = f"{len(reasons)} {what}{'s' if len(reasons) > 1 else ''} failed"
    logger.warning("%s, %s. Why: %s%s. %s", failed, others, "; ".join(given[:_EXAMPLES]), more, next_step)


def forget_failed() -> None:
    """Count from zero: another task begins."""
    _COUNT.set(0)


def without_success(line: str) -> str:
    """Return Celery's last line of a task, which says `succeeded` whatever became of the task's items."""
    count = _COUNT.get()
    if not count or " succeeded in " not in line:
        return line
    head, _, tail = line.partition(" succeeded in ")
    return f"{head} ended in {tail.partition(':')[0]}, but {count} of its items failed: see its warning above"
