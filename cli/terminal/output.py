"""How commands show results: a table for a person, one JSON object for a program."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

_WIDE = 220


def show_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table on standard output; only a terminal limits its width."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    as_wide_as_a_terminal = Console()
    console = as_wide_as_a_terminal if as_wide_as_a_terminal.is_terminal else Console(width=_WIDE)
    console.print(table)
