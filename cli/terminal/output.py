"""How commands show results: a table for a person, one JSON object for a program."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...schemas.fields import format_timestamp
from .plain import plain, plain_json

_WIDE = 220
_NARROW = 8


def show_json(value: Any) -> None:
    """Print one JSON value on standard output, with each time in UTC, like 2026-03-01T12:00:00Z.

    What is unknown, or is not there, is null: give None, and never leave a key out or give an empty text.
    """
    click.echo(plain_json(json.dumps(value, ensure_ascii=False, default=_in_json)))


def or_null(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for JSON: an empty text, with which our own records say that there is none, is null."""
    return {name: None if value == "" else value for name, value in values.items()}


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, whole: Collection[str] = ()
) -> None:
    """Print a table on standard output; only a terminal limits its width.

    Cells are plain text: nothing in them is taken for markup or obeyed by the terminal. The columns in `whole` are
    never folded or cut, so that their cells can be copied.
    """
    cells = [list(map(_cell, row)) for row in rows]
    table = Table(title=Text(plain(title)) if title else None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in cells:
        table.add_row(*row)
    console = Console()
    width = console.width if console.is_terminal else _WIDE
    Console(width=max(width, _least_width(columns, cells, whole)), height=console.height).print(table)


def ask(question: str, yes: bool) -> None:
    """Go on only if somebody at the terminal agrees, or `yes` says so already.

    Raises: click.UsageError where nobody can be asked; click.Abort after a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Not an interactive terminal: pass --yes to confirm.")
    click.confirm(question, abort=True, err=True)


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[Text]], whole: Collection[str]) -> int:
    """The width that holds the whole columns, and some letters of each other one. Borders take 3 a column and 1."""
    widths = [[Text(column).cell_len, *(row[at].cell_len for row in rows)] for at, column in enumerate(columns)]
    least = [
        max(found) if column in whole else min(max(found), _NARROW)
        for column, found in zip(columns, widths, strict=True)
    ]
    return sum(least) + 3 * len(columns) + 1


def _in_json(value: Any) -> str:
    if isinstance(value, datetime):
        return format_timestamp(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON yet: give it one in show_json, or pass JSON")


def _cell(value: Any) -> Text:
    return Text(plain("" if value is None else str(value)))
