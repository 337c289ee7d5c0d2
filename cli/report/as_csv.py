"""A month's report as CSV: one table, each row with what its section says."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ...schemas.fields import format_timestamp
from ..terminal.plain import plain
from .gathering import Values

COLUMNS = (
    *("section", "is_complete", "sweep_id", "started_at", "finished_at", "trigger", "status"),
    *("archived", "failed", "skipped", "pot", "task", "error", "reason", "count"),
)
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with which a cell begins that a spreadsheet would calculate


def as_csv(report: Values) -> str:
    """The report as one table; an empty cell is unknown, or not of its section."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in _rows(report))
    return text.getvalue()


def _rows(report: Values) -> Iterator[dict[str, Any]]:
    sweeps, letters = report["sweeps"], report["dead_letters"]
    whole = sweeps["is_complete"]
    span = {"started_at": report["starts_at"], "finished_at": report["ends_at"]}
    yield {"section": "month", "reason": report["month"], **span}
    yield {"section": "made", "started_at": report["made_at"]}
    for line in report["notes"]:
        yield {"section": "note", "reason": line}
    sums = {name: sweeps[name] for name in ("archived", "failed", "skipped", "count")}
    yield {"section": "sum of sweeps", "is_complete": whole, **sums}
    for status in ("completed", "incomplete", "running"):
        yield {"section": "sweeps by status", "is_complete": whole, "status": status, "count": sweeps[status]}
    for sweep in sweeps["each"]:
        yield {"section": "sweep", "is_complete": sweep["finished_at"] is not None, **sweep}
    for one in report["not_archived"] or ():
        row = {"section": "not archived", "is_complete": whole, "status": one["outcome"]}
        yield {**row, "reason": one["reason"], "count": one["sessions"]}
    yield {"section": "sum of dead letters", "is_complete": letters["is_complete"], "count": letters["still_there"]}
    for group in letters["groups"]:
        facts = {name: group[name] for name in ("pot", "task", "error", "reason")}
        yield {"section": "dead letters", "is_complete": letters["is_complete"], **facts, "count": group["letters"]}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = format_timestamp(value) if isinstance(value, datetime) else plain(str(value))
    return f"'{text}" if text.startswith(_FORMULAS) else text
