"""Whether a repeat of a call needs keys: an earlier attempt may have done it, and keys were believed then."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_NEEDS_KEYS: ContextVar[bool] = ContextVar("repeat_needs_keys", default=False)


def repeat_needs_keys() -> bool:
    """Return what the innermost `repeating` around this call says; False if there is none."""
    return _NEEDS_KEYS.get()


@contextmanager
def repeating(*, needs_keys: bool) -> Generator[None]:
    """Let the calls within count as repeats that may have an effect twice without keys, if `needs_keys`.

    One that needs deduplication is then not sent to a service that no longer deduplicates; it raises UncertainOutcome.
    """
    token = _NEEDS_KEYS.set(needs_keys)
    try:
        yield
    finally:
        _NEEDS_KEYS.reset(token)
