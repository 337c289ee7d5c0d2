"""A month's report as Markdown, for people."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ...schemas.fields import format_timestamp
from ..terminal.plain import plain
from .gathering import Values

_UNKNOWN = "unknown"


def markdown(report: Values) -> str:
    """The report as one document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Values) -> Iterator[str]:
    yield f"# Archival report for {report['month']}"
    yield ""
    span = f"from {_text(report['starts_at'])} to before {_text(report['ends_at'])}"
    yield f"The month is {span}. Made at {_text(report['made_at'])}. All times are in UTC."
    yield from _titled("What cannot be known, and how it is counted", [f"- {_text(line)}" for line in report["notes"]])
    yield from _titled("Sums", _sums(report))
    yield from _titled("Sweeps", _sweeps(report["sweeps"]))
    yield from _titled("Why sessions were not archived", _not_archived(report["not_archived"]))
    yield from _titled("Dead letters that are still there", _letters(report["dead_letters"]))


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", *lines)


def _sums(report: Values) -> Iterator[str]:
    sweeps, letters = report["sweeps"], report["dead_letters"]
    whole = sweeps["is_complete"]
    rows = [
        ("sweeps that began", _sum(sweeps["count"], whole)),
        ("of these completed", _sum(sweeps["completed"], whole)),
        ("of these incomplete", _sum(sweeps["incomplete"], whole)),
        ("of these not ended by now", _sum(sweeps["running"], whole=True)),
        ("sessions archived by them", _sum(sweeps["archived"], whole)),
        ("sessions that failed", _sum(sweeps["failed"], whole)),
        ("sessions that were skipped", _sum(sweeps["skipped"], whole)),
        ("dead letters", _sum(letters["still_there"], letters["is_complete"])),
    ]
    return _table(["what", "number"], rows)


def _sum(number: int | None, whole: bool) -> str:
    """A number that may be trusted, or its least value."""
    if number is None:
        return _UNKNOWN
    return f"{number:,}" if whole else f"at least {number:,}"


def _sweeps(sweeps: Values) -> Iterator[str]:
    columns = ["sweep_id", "started_at", "finished_at", "trigger", "status", "archived", "failed", "skipped", "reason"]
    rows = [[sweep[column] for column in columns] for sweep in sweeps["each"]]
    return _listed(columns, rows, None if sweeps["count"] is None else "None.")


def _not_archived(found: Sequence[Values] | None) -> Iterator[str]:
    columns = ["outcome", "reason", "sessions"]
    rows = [[one[column] for column in columns] for one in found or ()]
    return _listed(columns, rows, None if found is None else "None.")


def _letters(letters: Values) -> Iterator[str]:
    columns = ["pot", "task", "reason", "error", "letters"]
    rows = [[group[column] for column in columns] for group in letters["groups"]]
    return _listed(columns, rows, None if letters["still_there"] is None else "None.")


def _listed(columns: Sequence[str], rows: Sequence[Sequence[Any]], otherwise: str | None) -> Iterator[str]:
    """A table, or what is said where there is no row: without anything, that nobody knows."""
    if rows:
        return _table([name.replace("_", " ").removesuffix(" at") for name in columns], rows)
    return iter([otherwise or "Unknown: see above."])


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for cells in (columns, ["---"] * len(columns), *rows):
        yield "| " + " | ".join(map(_text, cells)) + " |"


def _text(value: Any) -> str:
    """A value as text that means nothing to a reader of Markdown or HTML."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    text = format_timestamp(value) if isinstance(value, datetime) else plain(str(value))
    return re.sub(r"([\\`*\[\]|])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
