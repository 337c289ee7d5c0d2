"""Shows on standard error what the run does: a line and a spinner for each step; nothing if that is no terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column


class Steps:
    """The lines of one run."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        text = TextColumn("{task.description}", table_column=Column(overflow="fold"))
        columns = (SpinnerColumn(), text, TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def do(self, text: str, work: Callable[[], object]) -> None:
        """Run a step, shown until it ends."""
        line = self._progress.add_task(text, total=1)
        work()
        self._progress.update(line, completed=1)
