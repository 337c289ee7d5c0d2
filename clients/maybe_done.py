"""Whether an earlier attempt of a call may have done its work already, as the caller knows it."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_MAYBE_DONE: ContextVar[bool] = ContextVar("maybe_done", default=False)


def is_maybe_done() -> bool:
    """Return what the innermost `maybe_done` around this call says; False if there is none."""
    return _MAYBE_DONE.get()


@contextmanager
def maybe_done(given: bool) -> Generator[None]:
    """Let the calls within count as done before, if `given`.

    One that needs deduplication is then not sent to a service that no longer deduplicates; it raises UncertainOutcome.
    """
    token = _MAYBE_DONE.set(given)
    try:
        yield
    finally:
        _MAYBE_DONE.reset(token)
