"""The screen of `mgw status` in as much room as there is."""

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from ..terminal.wording import counted
from .screen import screen
from .snapshot import Values

_NARROW, _LOW = 40, 8  # columns and lines; what has less gets a few words a line, the most urgent first
_UNKNOWN = "?"


class Fitted:
    """One look. With `is_cropped` there is no more room than the terminal's lines, and what is left out is counted."""

    def __init__(self, found: Values, *, is_cropped: bool = False) -> None:
        self._found, self._is_cropped = found, is_cropped

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most = options.max_height if self._is_cropped else None
        if options.max_width < _NARROW or (most is not None and most < _LOW):
            shown = [Text(line, no_wrap=True, overflow="ellipsis") for line in _few_words(self._found)]
            yield from shown[:most]
            return
        lines = console.render_lines(screen(self._found), options.update(height=None), pad=False)
        left = 0 if most is None else len(lines) - most
        for line in lines if left <= 0 else lines[: -left - 1]:
            yield from line
            yield Segment.line()
        if left > 0:
            yield Text(f"… {counted(left + 1, 'more line')}: make the window higher", "bold", no_wrap=True)


def _few_words(found: Values) -> Iterator[str]:
    queues, letters = found["queues"], [pot["count"] for pot in found["dead_letters"]]
    yield f"{found['looked_at']:%H:%M:%S} {'all read' if found['ok'] else 'NOT all read'}"
    for server in found["servers"]:
        if not server["is_up"]:
            yield f"{server['server']} away"
    held = None if any(one["is_held"] is None for one in queues) else sum(one["is_held"] for one in queues)
    yield f"{_sum([one['waiting'] for one in queues])} wait, {_said(held)} held"
    yield f"{_said(found['workers']['alive'])} workers"
    yield f"{_sum(letters)} dead letters"
    if found["sweeps"] is not None:
        newest = found["sweeps"]["newest"]
        yield f"sweep {newest['status'] if newest else _UNKNOWN}"
        yield {True: "beat is there", False: "NO BEAT"}.get(found["beat"]["has_lock"], f"beat {_UNKNOWN}")


def _sum(counts: list[int | None]) -> str:
    known = [count for count in counts if count is not None]
    return f"{sum(known):,}" if len(known) == len(counts) else _UNKNOWN


def _said(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"
