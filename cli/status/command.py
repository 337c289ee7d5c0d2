"""`mgw status`: everything that an operator looks at first, on one screen."""

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from ..target import app_option, target_of

if TYPE_CHECKING:
    from .snapshot import Looks

_WIDE = 220  # of what is no terminal
_USUAL_SECS, _MOST_SECS = 2, 3600
_PLAIN = ("dumb", "unknown")  # terminals on which nothing can be drawn over


@click.command(name="status")
@app_option
@click.option(
    "--watch",
    "every_secs",
    metavar="[SECS]",
    is_flag=False,
    flag_value=_USUAL_SECS,
    type=click.IntRange(1, _MOST_SECS),
    help=f"Look again after so many seconds ({_USUAL_SECS}), until you press Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --watch, one a line.")
def command(app_name: str | None, every_secs: int | None, as_json: bool) -> None:
    """Show everything at a glance: Redis, workers, queues, services, dead letters, the newest sweep and beat.

    It reads Redis alone, once, and changes nothing. If Redis does not answer, it says so within about three seconds and
    exits with 1, as it does if a part cannot be read. With --watch, what a server said last stays on the screen, marked
    as stale with its time.

    \b
    Example:
      mgw status
      mgw status --watch
      mgw status --watch 10 --json
      mgw status --app shop:app
    """
    target = target_of(app_name)
    from .snapshot import Looks

    looks = Looks(target)
    if every_secs is None:
        found = looks.look()
        _show(found, as_json)
        if not found["ok"]:
            raise SystemExit(1)
    elif as_json or not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in _PLAIN:
        _print(looks, every_secs, as_json)
    else:
        _redraw(looks, every_secs)


def _show(found: dict[str, Any], as_json: bool) -> None:
    from rich.console import Console

    from ..terminal.output import show_json
    from .fitted import Fitted

    if as_json:
        show_json(found)
    else:
        Console(width=None if sys.stdout.isatty() else _WIDE).print(Fitted(found))


def _print(looks: "Looks", every_secs: int, as_json: bool) -> None:
    """One look after another, for a file or a program."""
    while True:
        _show(looks.look(), as_json)
        if not as_json:
            click.echo()
        sys.stdout.flush()
        time.sleep(every_secs)


def _redraw(looks: "Looks", every_secs: int) -> None:
    """Draw each look over the one before, on the terminal's other screen, which is left at the end."""
    from rich.console import Console
    from rich.live import Live

    from .fitted import Fitted

    first = Fitted(looks.look(), is_cropped=True)  # before the other screen is there, which is empty
    with Live(first, console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every_secs)
            live.update(Fitted(looks.look(), is_cropped=True), refresh=True)
