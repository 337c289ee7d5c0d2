"""Tables as the template `table.html` shows them: every cell is text, and some lead to another page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote


class Link(NamedTuple):
    """A cell that leads to a page of the console."""

    text: str
    href: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading, and None an empty cell."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def path_of(*parts: str) -> str:
    """A path whose parts may hold anything."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
