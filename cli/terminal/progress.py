"""Shows on standard error what a long command is doing; silent if standard error is not a terminal."""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from .failure import Failure

T = TypeVar("T")
_ASK_EVERY_SECS = 0.5
_PATIENCE_SECS = 2.0
_WIDE_ENOUGH_FOR_BARS = 90


def bar(text: str, pages: Iterable[T], size: Callable[[T], int], total: int) -> Iterator[T]:
    """Yield the pages, with a progress bar on standard error once they take longer than two seconds."""
    console = Console(stderr=True)
    progress = Progress(TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
    line, began = progress.add_task(text, total=total), time.monotonic()
    try:
        for page in pages:
            progress.advance(line, size(page))
            if console.is_terminal and time.monotonic() - began > _PATIENCE_SECS:
                progress.start()
            yield page
    finally:
        progress.live.stop()


def until_all(
    text: str,
    count: Callable[[], int],
    total: int,
    *,
    patience_secs: float,
    check: Callable[[], None],
    sign: Callable[[], object] = lambda: None,
    show: Callable[[int], None] = lambda reached: None,
) -> None:
    """Wait until `count` reaches `total`, and show each count on the way; `sign` changes with progress not counted yet.

    Raises: Failure if neither changes for `patience_secs`, and what `check` raises.
    """
    reached, seen, deadline = -1, None, 0.0
    while reached < total:
        before, (reached, seen) = (reached, seen), (count(), sign())
        if (reached, seen) != before:
            deadline = time.monotonic() + patience_secs
        elif time.monotonic() > deadline:
            raise Failure(
                f"{text}: stuck at {reached} of {total} for {patience_secs:.0f} s. Look at the logs of the workers."
            )
        show(reached)
        check()
        time.sleep(_ASK_EVERY_SECS if reached < total else 0)


class Steps:
    """Shows one line per step, with a progress bar for steps that count something."""

    def __init__(self, check: Callable[[], None]) -> None:
        """`check` is called while a step waits, and raises if waiting is pointless."""
        console = Console(stderr=True)
        wraps = Column(overflow="fold")  # so that the counts stay visible
        text = TextColumn("{task.description}", table_column=wraps)
        bar = [BarColumn(bar_width=20)] if console.width >= _WIDE_ENOUGH_FOR_BARS else []
        columns = (SpinnerColumn(), text, *bar, MofNCompleteColumn(), TimeElapsedColumn())
        self._check = check
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def do(self, text: str, work: Callable[[], object]) -> None:
        """Run a step that counts nothing."""
        line = self._progress.add_task(text, total=1)
        work()
        self._progress.update(line, completed=1)

    def wait(
        self,
        text: str,
        count: Callable[[], int],
        total: int,
        *,
        patience_secs: float,
        sign: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait until `count` reaches `total`; `sign` changes with progress that is not counted yet.

        Raises: Failure if neither changes for `patience_secs`.
        """
        line = self._progress.add_task(text, total=total)
        until_all(
            text,
            count,
            total,
            patience_secs=patience_secs,
            check=self._check,
            sign=sign,
            show=lambda reached: self._progress.update(line, completed=reached),
        )
