"""Group commit: what comes while a transaction is written goes together into the next one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from .storage import is_outage

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    """An item, and a lock that opens once it is written, or once its thread is to write the next group."""

    item: T
    turn: Lock = field(default_factory=Lock)
    is_written: bool = False
    result: Any = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.turn.acquire()


class GroupCommit(Generic[T, R]):
    """Writes the items of several threads in one transaction; each thread goes on after its item's commit.

    An item that comes alone is written at once: nobody waits for others to come.
    """

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]]) -> None:
        """`write` is one transaction: it returns a result for each item, in their order, or keeps nothing of them."""
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
        if not own.is_written:
            self._write_all()
        if own.error is not None:
            raise own.error
        return own.result

    def _write_all(self) -> None:
        """Write all that waits, and let the first of those that came meanwhile write the next group."""
        with self._lock:
            group, self._waiting = self._waiting, []
        self._settle(group)
        with self._lock:
            following = self._waiting[:1]
            self._is_writing = bool(following)
        for one in (*group, *following):
            one.turn.release()

    def _settle(self, group: Sequence[_Waiting[T]]) -> None:
        """Write a group; if that fails by the fault of an item, each alone, so that it spoils no other."""
        try:
            results: Sequence[Any] = self._write([one.item for one in group])
        except BaseException as error:  # noqa: BLE001  whatever it is, those that wait must be told
            if len(group) > 1 and isinstance(error, Exception) and not is_outage(error):
                for one in group:
                    self._settle([one])
                return
            results = [None] * len(group)
            for one in group:
                one.error = error
        for one, result in zip(group, results, strict=True):
            one.result, one.is_written = result, True
