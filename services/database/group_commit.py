"""Group commit: what comes while a transaction is written goes together into the next one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from .storage import is_away

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    """An item, and a lock that opens once the item is dealt with, or once its thread is to write the next group."""

    item: T
    turn: Lock = field(default_factory=Lock)
    is_over: bool = False
    is_alone: bool = False  # its group could not be written: its own thread writes it
    result: Any = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.turn.acquire()


class GroupCommit(Generic[T, R]):
    """Writes the items of several threads in one transaction; each thread goes on after its item's commit.

    An item that comes alone is written at once: nobody waits for others to come. If a group cannot be written, each
    thread writes its own item, so that no item spoils another, or waits for what another one waits for.
    """

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]]) -> None:
        """`write` returns a result for each item, in their order; one that it wrote it may be given again."""
        self._write, self._lock = write, Lock()
        self._waiting: list[_Waiting[T]] = []
        self._is_writing = False

    def write(self, item: T) -> R:
        """Write an item, and return its result once it is committed; raises what `write` raised for it."""
        own = _Waiting(item)
        with self._lock:
            self._waiting.append(own)
            others_write, self._is_writing = self._is_writing, True
        if others_write:
            own.turn.acquire()
        if not own.is_over:
            self._write_all()
        if own.is_alone:
            return self._write([item])[0]
        if own.error is not None:
            raise own.error
        return own.result

    def _write_all(self) -> None:
        """Write all that waits, and let the first of those that came meanwhile write the next group."""
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            self._settle(group)
        finally:
            with self._lock:
                following = self._waiting[:1]
                self._is_writing = bool(following)
            for one in group:
                one.is_alone |= not one.is_over
                one.is_over = True
            for one in (*group, *following):
                one.turn.release()

    def _settle(self, group: Sequence[_Waiting[T]]) -> None:
        """Write a group; if the database is away, all fail at once."""
        try:
            results: Sequence[Any] = self._write([one.item for one in group])
        except Exception as error:  # noqa: BLE001  whatever it is, those that wait must be told
            if len(group) > 1 and not is_away(error):
                return
            results = [None] * len(group)
            for one in group:
                one.error = error
        for one, result in zip(group, results, strict=True):
            one.result, one.is_over = result, True
