"""Shows on standard error how far a long command is; silent if standard error is not a terminal."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")
_PATIENCE_SECS = 2.0


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
