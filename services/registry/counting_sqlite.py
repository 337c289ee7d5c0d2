"""Counting usage reports in SQLite: one look-up, then what is new is written.

The statements are handed to the driver as they are. SQLAlchemy's own would cost several times what SQLite takes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.dialects import sqlite

from ...schemas.canonical import canonical_json
from ..database.driver import Run
from ..database.storage import UtcDateTime
from .counted import ROUTE, SUMS, Days, Entry, Seen, values


def count(run: Run, entries: Sequence[Entry], now: datetime, days: Days) -> list[Seen]:
    """Count reports whose keys differ, and return what became of each, in their order."""
    sent = [
        value
        for place, entry in enumerate(entries)
        for value in (place, entry.report.session_id, entry.sent_key, entry.key)
    ]
    known = run(_look_up(len(entries)), (*sent, _stored_time(now), days.first))
    seen = [_seen(*row) for row in known]
    new = [(entry, *row[:2]) for entry, row, one in zip(entries, known, seen, strict=True) if one.is_new]
    if new:
        _add(run, new, now, days)
    return seen


def _seen(number: int | None, model_id: str | None, fields: bytes | None, fingerprint: str | None) -> Seen:
    if number is None:
        return Seen(False, False)
    if fingerprint is not None:
        return Seen(True, False, fingerprint=fingerprint)
    return Seen(True, fields is None, fields)


def _add(run: Run, new: Iterable[tuple[Entry, int, str]], now: datetime, days: Days) -> None:
    keys: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []
    of_sessions: dict[int, dict[str, Any]] = {}
    of_models: dict[str, dict[str, Any]] = {}
    for entry, number, model_id in new:
        row = values(entry, now)
        row |= {
            "session_number": number,
            "model_id": entry.report.model_id or model_id,
            "slot": 0,
            "reported_at": _stored_time(row["reported_at"]),
            "details": canonical_json(entry.report.metadata).decode(),
        }
        reports.append(row)
        _sum(of_sessions, number, row)
        _sum(of_models, row["model_id"], row)
        if entry.key:
            keys.append({"key": entry.key, "fields": entry.fields, "day": days.today})
    if keys:
        run(_KEEP_KEY, keys)
    run(_ADD_REPORT, reports)
    run(_ADD_TO_SESSION, list(of_sessions.values()))
    run(_ADD_TO_MODEL, list(of_models.values()))


def _sum(sums: dict[Any, dict[str, Any]], key: Any, row: dict[str, Any]) -> None:
    """Add a report to the sums of its session or model."""
    timed, at = row["latency_ms"] is not None, row["reported_at"]
    added = {**row, "reports": 1, "timed_reports": int(timed), "latency_ms": row["latency_ms"] or 0}
    had = sums.get(key)
    if had is None:
        sums[key] = {**added, "first_at": at, "last_at": at}
        return
    for name in SUMS:
        had[name] += added[name]
    had["first_at"], had["last_at"] = min(had["first_at"], at), max(had["last_at"], at)


_DIALECT = sqlite.dialect()
# Writes a time as the tables of this database keep it: texts that are in the order of their times.
_stored_time: Any = UtcDateTime().dialect_impl(_DIALECT).bind_processor(_DIALECT)


@lru_cache(maxsize=16)
def _look_up(entries: int) -> str:
    return f"""
WITH sent(place, session_id, sent_key, key) AS (VALUES {", ".join(["(?, ?, ?, ?)"] * entries)})
SELECT sessions.number, sessions.model_id, kept.fields, answers.body_mark AS fingerprint
FROM sent
LEFT JOIN sessions ON sessions.session_id = sent.session_id
LEFT JOIN answers ON answers.route = '{ROUTE}' AND answers.key = sent.sent_key AND answers.kept_until >= ?
LEFT JOIN usage_keys AS kept ON kept.key = sent.key AND kept.day >= ?
ORDER BY sent.place
"""  # noqa: S608 - made of marks alone


def _adds(table: str, *key: str) -> str:
    """Make the statement that inserts a row of totals, or adds it to the one that is there."""
    sums = ", ".join(f"{name} = had.{name} + excluded.{name}" for name in SUMS)
    times = "first_at = min(had.first_at, excluded.first_at), last_at = max(had.last_at, excluded.last_at)"
    row = _insert(table, *key, *SUMS, "first_at", "last_at")
    return f"{row} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sums}, {times}"


def _insert(table: str, *columns: str) -> str:
    marks = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} AS had ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - made of names alone


_KEEP_KEY = (
    f"{_insert('usage_keys', 'key', 'fields', 'day')}"
    " ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, day = excluded.day"
)
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "latency_ms")
_ADD_REPORT = _insert("usage_reports", "session_number", "model_id", *_COUNTS, "reported_at", "details")
_ADD_TO_SESSION = _adds("session_usage", "session_number")
_ADD_TO_MODEL = _adds("model_usage", "model_id", "slot")
