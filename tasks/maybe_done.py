"""What an attempt may have done while keys were believed, so that a retry is safe only while they still are."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, cast

from ..clients.errors import TransientError
from ..clients.maybe_done import maybe_done

MAYBE_DONE = "maybe_done"  # a header that retries keep: the idempotency keys of calls that an attempt may have done


class MaybeDone:
    """The keys of a task's calls that this attempt or an earlier one may have done; its calls may be side by side."""

    def __init__(self, task: Any) -> None:
        given: Any = (task.request.headers or {}).get(MAYBE_DONE)
        listed = cast("list[Any]", given) if isinstance(given, list) else []
        self._keys = {key for key in listed if isinstance(key, str)}

    @contextmanager
    def call(self, key: str) -> Generator[None]:
        """Make the call of a key: not again where it may count twice, and noted if it may have been done now."""
        with maybe_done(key in self._keys):
            try:
                yield
            except TransientError as error:
                if error.repeat_needs_keys:
                    self._keys.add(key)
                raise

    def keep(self, task: Any, keys: Iterable[str]) -> None:
        """Let the task's next attempt, which makes the calls of `keys`, know of them."""
        headers = without_maybe_done(task.request.headers or {})
        known = sorted(self._keys.intersection(keys))
        task.request.update(headers={**headers, MAYBE_DONE: known} if known else headers)


def without_maybe_done(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers without what earlier attempts may have done."""
    return {name: value for name, value in headers.items() if name != MAYBE_DONE}
