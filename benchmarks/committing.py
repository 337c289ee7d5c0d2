"""The limit of usage reports: the rows that a Registry commits, written by hand, without a queue and without HTTP.

One connection commits a batch in one transaction: the reports, their keys, and the totals of sessions and models.
`BENCH_DATABASE` is the address of a database with the Registry's tables.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import orjson
import psycopg

Reports = list[dict[str, Any]]
SUMS = ("reports", "prompt_tokens", "completion_tokens", "total_tokens", "latency_ms", "timed_reports")
ADDED = ", ".join(f"{name} = had.{name} + excluded.{name}" for name in SUMS)
_SUMMED = """count(*), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint,
    coalesce(sum(latency_ms), 0)::bigint, count(latency_ms), min(timestamp), max(timestamp)"""
LATER = """first_at = least(had.first_at, excluded.first_at), last_at = greatest(had.last_at, excluded.last_at)"""
POSTGRESQL = f"""
WITH sent AS MATERIALIZED (
    SELECT sent.*, sessions.number, decode(sent.key, 'hex') AS key_bytes
    FROM json_to_recordset(%s::json) AS sent(session_id text, model_id text, prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, latency_ms bigint, timestamp timestamptz, metadata json,
        key text, fields text)
    JOIN sessions ON sessions.session_id = sent.session_id
),
keyed AS (
    INSERT INTO usage_keys (key, fields, day) SELECT key_bytes, decode(fields, 'hex'), %s FROM sent ORDER BY 1
    ON CONFLICT DO NOTHING RETURNING key
),
new AS MATERIALIZED (SELECT sent.* FROM sent JOIN keyed ON keyed.key = sent.key_bytes),
stored AS (
    INSERT INTO usage_reports (session_number, model_id, prompt_tokens, completion_tokens, total_tokens, latency_ms,
        reported_at, details)
    SELECT number, model_id, prompt_tokens, completion_tokens, total_tokens, latency_ms, timestamp, metadata::text
    FROM new
),
of_sessions AS (
    INSERT INTO session_usage AS had (session_number, {", ".join(SUMS)}, first_at, last_at)
    SELECT number, {_SUMMED} FROM new GROUP BY 1 ORDER BY 1
    ON CONFLICT (session_number) DO UPDATE SET {ADDED}, {LATER}
),
of_models AS (
    INSERT INTO model_usage AS had (model_id, slot, {", ".join(SUMS)}, first_at, last_at)
    SELECT model_id, 0, {_SUMMED} FROM new GROUP BY 1 ORDER BY 1
    ON CONFLICT (model_id, slot) DO UPDATE SET {ADDED}, {LATER}
)
SELECT count(*) FROM keyed
"""


Keyed = tuple[dict[str, Any], bytes, bytes]


def keyed(report: dict[str, Any]) -> Keyed:
    """A report with a key of its own and a digest of its fields."""
    return report, uuid4().bytes, blake2b(orjson.dumps(report), digest_size=16).digest()


def today() -> int:
    """The day, counted from 1970."""
    return int(datetime.now(UTC).timestamp() // 86_400)


def to_postgresql(connection: psycopg.Connection, reports: Iterable[Keyed]) -> None:
    """Commit a batch in one statement."""
    rows = [{**report, "key": key.hex(), "fields": fields.hex()} for report, key, fields in reports]
    connection.execute(POSTGRESQL.encode(), (orjson.dumps(rows).decode(), today()), prepare=True)


def to_sqlite(connection: sqlite3.Connection, reports: Sequence[Keyed]) -> None:
    """Commit a batch in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    wanted = orjson.dumps(sorted({report["session_id"] for report, _, _ in reports})).decode()
    found = "SELECT session_id, number FROM sessions WHERE session_id IN (SELECT value FROM json_each(?))"
    numbers = dict(connection.execute(found, (wanted,)))
    keys, rows = [], []
    of_sessions: dict[Any, list[Any]] = {}
    of_models: dict[Any, list[Any]] = {}
    for report, key, fields in reports:
        number, model, at = numbers[report["session_id"]], report["model_id"], _moment(report["timestamp"])
        counts = [report[name] for name in SUMS[1:5]]
        keys.append((key, fields, today()))
        rows.append((number, model, *counts, at, orjson.dumps(report["metadata"]).decode()))
        _add(of_sessions, number, counts, at)
        _add(of_models, model, counts, at)
    connection.executemany("INSERT INTO usage_keys (key, fields, day) VALUES (?, ?, ?)", keys)
    connection.executemany(_REPORT, rows)
    connection.executemany(_TO_SESSION, of_sessions.values())
    connection.executemany(_TO_MODEL, of_models.values())
    connection.execute("COMMIT")


def _moment(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _add(sums: dict[Any, list[Any]], key: Any, counts: list[int], at: str) -> None:
    row = sums.setdefault(key, [key, 0, 0, 0, 0, 0, 0, at, at])
    for place, count in enumerate((1, *counts, 1), start=1):
        row[place] += count
    row[7], row[8] = min(row[7], at), max(row[8], at)


def _totals(table: str, columns: str, values: str, key: str) -> str:
    later = "first_at = min(had.first_at, excluded.first_at), last_at = max(had.last_at, excluded.last_at)"
    return (
        f"INSERT INTO {table} AS had ({columns}, {', '.join(SUMS)}, first_at, last_at) "
        f"VALUES ({values}, {', '.join('?' * 8)}) ON CONFLICT ({key}) DO UPDATE SET {ADDED}, {later}"
    )


_REPORT = """INSERT INTO usage_reports (session_number, model_id, prompt_tokens, completion_tokens, total_tokens,
    latency_ms, reported_at, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_TO_SESSION = _totals("session_usage", "session_number", "?", "session_number")
_TO_MODEL = _totals("model_usage", "model_id, slot", "?, 0", "model_id, slot")


def connect() -> psycopg.Connection | sqlite3.Connection:
    """Open the database as the Registry does."""
    url = os.environ["BENCH_DATABASE"]
    if url.startswith("postgresql"):
        return psycopg.connect(url, autocommit=True, options="-c search_path=registry -c timezone=UTC")
    file = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        file.execute(f"PRAGMA {pragma}").close()
    return file


kept = cache(connect)


def commit(reports: Reports) -> None:
    """Commit reports in one transaction."""
    connection, rows = kept(), list(map(keyed, reports))
    if isinstance(connection, psycopg.Connection):
        to_postgresql(connection, rows)
    else:
        to_sqlite(connection, rows)
