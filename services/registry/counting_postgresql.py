"""Counting usage reports in PostgreSQL: in one statement, which is one round trip.

Rows are written in the order of their keys, so that two batches with the same keys or sessions never wait for each
other in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Row, TextClause, bindparam, select, text

from ...schemas.base import canonical_json
from ...schemas.registry import TOKEN_KINDS
from .counted import ROUTE, SUMS, Days, Entry, Seen, values
from .records import UsageKey

# A model's total is the sum of this many rows: connections add to different ones, so that none waits for another.
_SLOTS = 64


def count(connection: Connection, entries: Sequence[Entry], now: datetime, days: Days) -> list[Seen]:
    """Count reports whose keys differ, and return what became of each, in their order."""
    rows = [
        {
            "place": place,
            "session_id": entry.report.session_id,
            "model_id": entry.report.model_id,
            "details": canonical_json(entry.report.metadata).decode(),
            "sent_key": entry.sent_key,
            "key": entry.key and entry.key.hex(),
            "fields": entry.fields.hex(),
            **values(entry, now),
        }
        for place, entry in enumerate(entries)
    ]
    given = {"rows": orjson.dumps(rows).decode(), "now": now, "today": days.today, "first_day": days.first}
    seen = [_seen(row) for row in connection.execute(_statement(), given)]
    # Another transaction inserted the key after this statement began, and has committed it since.
    late = [entries[place].key for place, one in enumerate(seen) if one.has_session and _is_unclear(one)]
    if late:
        fields = {row.key: row.fields for row in connection.execute(_FIELDS, {"keys": late})}
        seen = [
            Seen(True, False, fields.get(entry.key or b"")) if one.has_session and _is_unclear(one) else one
            for entry, one in zip(entries, seen, strict=True)
        ]
    return seen


def _seen(row: Row[Any]) -> Seen:
    return Seen(row.has_session, row.is_new, row.kept_fields, row.fingerprint)


def _is_unclear(one: Seen) -> bool:
    return not one.is_new and one.fields is None and one.fingerprint is None


@cache
def _statement() -> TextClause:
    columns = ", ".join(f"{kind} bigint" for kind in TOKEN_KINDS)
    sums = ", ".join(f"sum({kind})::bigint" for kind in TOKEN_KINDS)
    statement = f"""
WITH sent AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS sent(
        place integer, session_id text, model_id text, details text, sent_key text, key text, fields text,
        prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, latency_ms bigint,
        reported_at timestamptz, {columns}
    )
),
known AS MATERIALIZED (
    SELECT sent.*, sessions.number AS session_number, decode(sent.key, 'hex') AS key_bytes,
        coalesce(nullif(sent.model_id, ''), sessions.model_id) AS named_model,
        answers.body_mark AS fingerprint
    FROM sent
    LEFT JOIN sessions ON sessions.session_id = sent.session_id
    LEFT JOIN answers ON answers.route = '{ROUTE}' AND answers.key = sent.sent_key AND answers.kept_until >= :now
),
keyed AS (
    INSERT INTO usage_keys AS kept (key, fields, day)
    SELECT key_bytes, decode(fields, 'hex'), :today FROM known
    WHERE session_number IS NOT NULL AND key_bytes IS NOT NULL AND fingerprint IS NULL
    ORDER BY key_bytes
    ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, day = excluded.day WHERE kept.day < :first_day
    RETURNING kept.key
),
counted AS MATERIALIZED (
    SELECT known.* FROM known LEFT JOIN keyed ON keyed.key = known.key_bytes
    WHERE known.session_number IS NOT NULL AND (keyed.key IS NOT NULL OR known.key_bytes IS NULL)
),
reports AS (
    INSERT INTO usage_reports (session_number, model_id, prompt_tokens, completion_tokens, total_tokens, latency_ms,
        reported_at, details)
    SELECT session_number, named_model, prompt_tokens, completion_tokens, total_tokens, latency_ms,
        reported_at, details
    FROM counted ORDER BY place
),
of_sessions AS (
    INSERT INTO session_usage AS had (session_number, {", ".join(SUMS)}, first_at, last_at)
    SELECT session_number, {_grouped(sums)} FROM counted GROUP BY session_number ORDER BY session_number
    ON CONFLICT (session_number) DO UPDATE SET {_added()}
),
of_models AS (
    INSERT INTO model_usage AS had (model_id, slot, {", ".join(SUMS)}, first_at, last_at)
    SELECT named_model, pg_backend_pid() % {_SLOTS}, {_grouped(sums)} FROM counted GROUP BY 1 ORDER BY 1
    ON CONFLICT (model_id, slot) DO UPDATE SET {_added()}
)
SELECT known.session_number IS NOT NULL AS has_session, counted.place IS NOT NULL AS is_new,
    known.fingerprint, kept.fields AS kept_fields
FROM known
LEFT JOIN counted ON counted.place = known.place
LEFT JOIN usage_keys AS kept ON kept.key = known.key_bytes AND kept.day >= :first_day
ORDER BY known.place
"""  # noqa: S608 - made of names of columns alone
    return text(statement)


def _grouped(kinds: str) -> str:
    return (
        "count(*), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint, "
        f"coalesce(sum(latency_ms), 0)::bigint, count(latency_ms), {kinds}, min(reported_at), max(reported_at)"
    )


def _added() -> str:
    sums = ", ".join(f"{name} = had.{name} + excluded.{name}" for name in SUMS)
    first, last = "least(had.first_at, excluded.first_at)", "greatest(had.last_at, excluded.last_at)"
    return f"{sums}, first_at = {first}, last_at = {last}"


_FIELDS = select(UsageKey.key, UsageKey.fields).where(UsageKey.key.in_(bindparam("keys", expanding=True)))
