"""Tables in Markdown, and the parts of a page that a command writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- {}: written by `make {}` -->", "<!-- {}: end -->"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table as lines of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in line) + " |" for line in lines]


def write_part(page: Path, name: str, command: str, lines: Sequence[str]) -> None:
    """Replace the part of a page that stands between its marks."""
    begin, end = BEGIN.format(name, command), END.format(name)
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}")
