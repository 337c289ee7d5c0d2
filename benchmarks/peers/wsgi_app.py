"""A bare WSGI function beside the Registry: it parses the same JSON and commits the same rows, with SQL by hand.

Nothing is validated, logged or counted; a key that is known is accepted. Each thread keeps its connection, to the
database that `BENCH_DATABASE` is the address of. gunicorn serves it, as it does the Registry.
"""

import threading
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any
from uuid import UUID

import committing
import orjson
import psycopg
from committing import ADDED, LATER, SUMS, today

LOCAL = threading.local()
PATH, USAGE = "/api/v1/sessions/", "/usage"
COUNTS = SUMS[1:5]
_ONE = f"1, {', '.join(f'%({name})s' for name in COUNTS)}, 1, %(timestamp)s, %(timestamp)s"
REPORT = f"""
WITH known AS (SELECT number FROM sessions WHERE session_id = %(session_id)s),
keyed AS (
    INSERT INTO usage_keys (key, fields, day) SELECT %(key)s, %(fields)s, %(day)s FROM known
    ON CONFLICT DO NOTHING RETURNING 1
),
new AS (SELECT number FROM known, keyed),
stored AS (
    INSERT INTO usage_reports (session_number, model_id, {", ".join(COUNTS)}, reported_at, details)
    SELECT number, %(model_id)s, {", ".join(f"%({name})s" for name in COUNTS)}, %(timestamp)s, %(metadata)s FROM new
),
of_session AS (
    INSERT INTO session_usage AS had (session_number, {", ".join(SUMS)}, first_at, last_at)
    SELECT number, {_ONE} FROM new ON CONFLICT (session_number) DO UPDATE SET {ADDED}, {LATER}
),
of_model AS (
    INSERT INTO model_usage AS had (model_id, slot, {", ".join(SUMS)}, first_at, last_at)
    SELECT %(model_id)s, pg_backend_pid() %% 64, {_ONE} FROM new
    ON CONFLICT (model_id, slot) DO UPDATE SET {ADDED}, {LATER}
)
SELECT count(*) FROM known
"""
TOTALS = f"""SELECT {", ".join(SUMS)}, first_at, last_at FROM session_usage
    JOIN sessions ON sessions.number = session_usage.session_number WHERE session_id = """


def connection() -> Any:
    """This thread's connection, made when first used."""
    if not hasattr(LOCAL, "made"):
        LOCAL.made = committing.connect()
    return LOCAL.made


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`POST /api/v1/usage` and `GET /api/v1/sessions/{id}/usage`."""
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        key = UUID(environ["HTTP_IDEMPOTENCY_KEY"]).bytes
        is_known = post(orjson.loads(body), key, blake2b(body, digest_size=16).digest())
        return answered(start_response, "201 CREATED" if is_known else "404 NOT FOUND", {"status": "recorded"})
    found = totals(environ["PATH_INFO"].removeprefix(PATH).removesuffix(USAGE))
    return answered(start_response, "200 OK", found)


def answered(start_response: Any, status: str, body: dict[str, Any]) -> Iterable[bytes]:
    """JSON with its length."""
    written = orjson.dumps(body)
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(written)))])
    return [written]


def post(report: dict[str, Any], key: bytes, fields: bytes) -> bool:
    """Commit one report; false if its session is not registered."""
    opened = connection()
    if not isinstance(opened, psycopg.Connection):
        committing.to_sqlite(opened, [(report, key, fields)])
        return True
    values = {**report, "metadata": orjson.dumps(report["metadata"]).decode()}
    found = opened.execute(REPORT.encode(), {**values, "key": key, "fields": fields, "day": today()}, prepare=True)
    return bool(found.fetchone())


def totals(session_id: str) -> dict[str, Any]:
    """Read the totals of a session."""
    opened = connection()
    mark = "%s" if isinstance(opened, psycopg.Connection) else "?"
    reports, prompt, completion, total, latency, timed, first, last = opened.execute(
        TOTALS + mark, (session_id,)
    ).fetchone()
    return {
        "id": session_id,
        "from": first,
        "to": last,
        "total_prompts": reports,
        "total_responses": reports,
        "total_prompt_tokens": prompt,
        "total_completion_tokens": completion,
        "total_tokens": total,
        "avg_latency_ms": latency / timed if timed else 0.0,
        "custom_metrics": {},
    }
