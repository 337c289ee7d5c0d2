"""Counting usage reports in PostgreSQL: in one statement, which is one round trip.

Rows are written in the order of their keys, so that two batches with the same keys or sessions never wait for each
other in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import orjson

from ...schemas.canonical import canonical_json
from ...schemas.usage import TOKEN_KINDS
from ..database.driver import Run
from .counted import ROUTE, SUMS, Days, Entry, Seen, values

# A model's total is the sum of this many rows: connections add to different ones, so that none waits for another.
_SLOTS = 64


def count(run: Run, entries: Sequence[Entry], now: datetime, days: Days) -> list[Seen]:
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
    is_one = len(rows) == 1
    given = orjson.dumps(rows[0] if is_one else rows).decode()
    found = run(_statement(is_one), (given, now, days.today, days.first, days.first))
    seen = [Seen(*row) for row in found]
    # Another transaction inserted the key after this statement began, and has committed it since.
    late = [entries[place].key for place, one in enumerate(seen) if one.has_session and _is_unclear(one)]
    if late:
        fields = dict(run("SELECT key, fields FROM usage_keys WHERE key = ANY(%s)", (late,)))
        seen = [
            Seen(True, False, fields.get(entry.key or b"")) if one.has_session and _is_unclear(one) else one
            for entry, one in zip(entries, seen, strict=True)
        ]
    return seen


def _is_unclear(one: Seen) -> bool:
    return not one.is_new and one.fields is None and one.fingerprint is None


@cache
def _statement(is_one: bool) -> str:
    """For one report, or for any number.

    For any, PostgreSQL plans for a hundred, and groups them: for one that would take three times as long. The driver
    parses a text of more than 4,096 characters again at each call.
    """
    kinds = ", ".join(f"{kind} int8" for kind in TOKEN_KINDS)
    columns, row = ", ".join((*SUMS, "first_at, last_at")), ", ".join(_of_one() if is_one else _grouped())
    grouped = "" if is_one else " GROUP BY 1 ORDER BY 1"
    statement = f"""
WITH known AS MATERIALIZED (
    SELECT sent.*, sessions.number, decode(sent.key, 'hex') AS bytes,
        coalesce(nullif(sent.model_id, ''), sessions.model_id) AS model, answers.body_mark
    FROM {"json_to_record" if is_one else "json_to_recordset"}(%s) AS sent(
        place int, session_id text, model_id text, details text, sent_key text, key text, fields text,
        prompt_tokens int8, completion_tokens int8, total_tokens int8, latency_ms int8,
        reported_at timestamptz, {kinds}
    )
    LEFT JOIN sessions ON sessions.session_id = sent.session_id
    LEFT JOIN answers ON route = '{ROUTE}' AND answers.key = sent_key AND kept_until >= %s
),
keyed AS (
    INSERT INTO usage_keys AS kept (key, fields, day)
    SELECT bytes, decode(fields, 'hex'), %s FROM known
    WHERE number IS NOT NULL AND bytes IS NOT NULL AND body_mark IS NULL ORDER BY bytes
    ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, day = excluded.day WHERE kept.day < %s
    RETURNING key
),
new AS MATERIALIZED (
    SELECT known.* FROM known LEFT JOIN keyed ON keyed.key = bytes
    WHERE number IS NOT NULL AND (keyed.key IS NOT NULL OR bytes IS NULL)
),
reports AS (
    INSERT INTO usage_reports (session_number, model_id, prompt_tokens, completion_tokens, total_tokens, latency_ms,
        reported_at, details)
    SELECT number, model, prompt_tokens, completion_tokens, total_tokens, latency_ms, reported_at, details
    FROM new ORDER BY place
),
of_sessions AS (
    INSERT INTO session_usage AS h (session_number, {columns})
    SELECT number, {row} FROM new{grouped} ON CONFLICT (session_number) DO UPDATE SET {_added()}
),
of_models AS (
    INSERT INTO model_usage AS h (model_id, slot, {columns})
    SELECT model, pg_backend_pid() %% {_SLOTS}, {row} FROM new{grouped}
    ON CONFLICT (model_id, slot) DO UPDATE SET {_added()}
)
SELECT known.number IS NOT NULL, new.place IS NOT NULL, kept.fields, known.body_mark
FROM known
LEFT JOIN new ON new.place = known.place
LEFT JOIN usage_keys AS kept ON kept.key = known.bytes AND kept.day >= %s
ORDER BY known.place
"""  # noqa: S608 - made of names of columns alone
    return " ".join(statement.split())


def _grouped() -> list[str]:
    special = {
        "reports": "count(*)",
        "timed_reports": "count(latency_ms)",
        "latency_ms": "coalesce(sum(latency_ms), 0)",
    }
    return [*(special.get(name, f"sum({name})") for name in SUMS), "min(reported_at)", "max(reported_at)"]


def _of_one() -> list[str]:
    special = {"reports": "1", "timed_reports": "num_nonnulls(latency_ms)", "latency_ms": "coalesce(latency_ms, 0)"}
    return [*(special.get(name, name) for name in SUMS), "reported_at", "reported_at"]


def _added() -> str:
    sums = ", ".join(f"{name}=h.{name}+excluded.{name}" for name in SUMS)
    first, last = "least(h.first_at, excluded.first_at)", "greatest(h.last_at, excluded.last_at)"
    return f"{sums}, first_at={first}, last_at={last}"
