"""Counting usage reports in SQLite, which has no round trips to save: look everything up, then write what is new."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select
from sqlalchemy.dialects import sqlite

from .counted import ROUTE, SUMS, Days, Entry, Seen, values
from .records import IdempotentResponse, ModelUsage, SessionRecord, SessionUsage, UsageKey, UsageRecord


def count(connection: Connection, entries: Sequence[Entry], now: datetime, days: Days) -> list[Seen]:
    """Count reports whose keys differ, and return what became of each, in their order."""
    ids = {entry.report.session_id for entry in entries}
    sessions = {one.session_id: one for one in _found(connection, _SESSIONS, ids)}
    kept = {one.key: one for one in _found(connection, _KEYS, {entry.key for entry in entries if entry.key})}
    answered = {one.key: one for one in _found(connection, _ANSWERS, {e.sent_key for e in entries if e.sent_key})}

    def seen(entry: Entry) -> Seen:
        if entry.report.session_id not in sessions:
            return Seen(False, False)
        answer = answered.get(entry.sent_key)
        if answer is not None and answer.kept_until >= now:
            return Seen(True, False, fingerprint=answer.fingerprint)
        earlier = kept.get(entry.key)
        if earlier is not None and earlier.day >= days.first:
            return Seen(True, False, earlier.fields)
        return Seen(True, True)

    found = [seen(entry) for entry in entries]
    new = [entry for entry, one in zip(entries, found, strict=True) if one.is_new]
    _add_in_sqlite(connection, new, sessions, now, days)
    return found


def _found(connection: Connection, statement: Any, wanted: set[Any]) -> Iterable[Row[Any]]:
    return connection.execute(statement, {"wanted": list(wanted)}) if wanted else ()


def _add_in_sqlite(
    connection: Connection, entries: Sequence[Entry], sessions: Mapping[str, Row[Any]], now: datetime, days: Days
) -> None:
    if not entries:
        return
    reports: list[dict[str, Any]] = []
    of_sessions: dict[tuple[Any, ...], dict[str, Any]] = {}
    of_models: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        owner = sessions[entry.report.session_id]
        row = values(entry, now)
        named = {"session_number": owner.number, "model_id": entry.report.model_id or owner.model_id}
        reports.append({**row, **named, "details": entry.report.metadata})
        _sum(of_sessions, {"session_number": owner.number}, row)
        _sum(of_models, {"model_id": named["model_id"], "slot": 0}, row)
    keys = [{"key": one.key, "fields": one.fields, "day": days.today} for one in entries if one.key]
    if keys:
        connection.execute(_KEEP_KEY, keys)
    connection.execute(_ADD_REPORT, reports)
    connection.execute(_ADD_TO_SESSION, list(of_sessions.values()))
    connection.execute(_ADD_TO_MODEL, list(of_models.values()))


def _sum(sums: dict[tuple[Any, ...], dict[str, Any]], key: dict[str, Any], values: Mapping[str, Any]) -> None:
    at = values["reported_at"]
    row = sums.setdefault(tuple(key.values()), {**key, **dict.fromkeys(SUMS, 0), "first_at": at, "last_at": at})
    timed = values["latency_ms"] is not None
    added = {**values, "reports": 1, "timed_reports": int(timed), "latency_ms": values["latency_ms"] or 0}
    for name in SUMS:
        row[name] += added[name]
    row["first_at"], row["last_at"] = min(row["first_at"], at), max(row["last_at"], at)


def _adds(table: Any, key: list[str]) -> Any:
    """Make the statement that inserts a row of totals, or adds it to the one that is there."""
    new = sqlite.insert(table)
    changes: dict[str, Any] = {name: getattr(table, name) + getattr(new.excluded, name) for name in SUMS}
    changes["first_at"] = func.min(table.first_at, new.excluded.first_at)
    changes["last_at"] = func.max(table.last_at, new.excluded.last_at)
    return new.on_conflict_do_update(index_elements=key, set_=changes)


def _keeps_key() -> Any:
    new = sqlite.insert(UsageKey)
    return new.on_conflict_do_update(
        index_elements=["key"], set_={"fields": new.excluded.fields, "day": new.excluded.day}
    )


_WANTED: Any = bindparam("wanted", expanding=True)
_SESSIONS = select(SessionRecord.session_id, SessionRecord.number, SessionRecord.model_id).where(
    SessionRecord.session_id.in_(_WANTED)
)
_KEYS = select(UsageKey.key, UsageKey.fields, UsageKey.day).where(UsageKey.key.in_(_WANTED))
_ANSWERS = select(
    IdempotentResponse.key, IdempotentResponse.fingerprint.label("fingerprint"), IdempotentResponse.kept_until
).where(IdempotentResponse.route == ROUTE, IdempotentResponse.key.in_(_WANTED))
_KEEP_KEY, _ADD_REPORT = _keeps_key(), insert(UsageRecord)
_ADD_TO_SESSION, _ADD_TO_MODEL = _adds(SessionUsage, ["session_number"]), _adds(ModelUsage, ["model_id", "slot"])
