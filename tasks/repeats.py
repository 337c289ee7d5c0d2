"""Which of a task's calls need keys if they are repeated; `delivery.messages.attempts` says how that travels."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from ..clients.errors import TransientError
from ..clients.repeats import repeating
from ..delivery.messages.attempts import noting_repeat_needs_keys, repeat_needs_keys, was_lost


class Repeats:
    """The keys of a task's calls that this attempt or an earlier one may have done; its calls may be side by side."""

    def __init__(self, task: Any) -> None:
        self._keys, self._any = repeat_needs_keys(task.request.headers), was_lost(task.request.headers)

    @contextmanager
    def calls(self, keys: Iterable[str]) -> Generator[None]:
        """Make the call of some keys: not again where it may count twice, and noted if it may have been done now."""
        made = set(keys)
        with repeating(needs_keys=self._any or not made.isdisjoint(self._keys)):
            try:
                yield
            except TransientError as error:
                if error.repeat_needs_keys:
                    self._keys |= made
                raise

    def keep(self, task: Any, keys: Iterable[str]) -> None:
        """Let the task's next attempt, which makes the calls of `keys`, know of them."""
        if self._any:
            return
        task.request.update(headers=noting_repeat_needs_keys(task.request.headers, self._keys.intersection(keys)))
