"""Inserting archives in PostgreSQL: with their policies and the response in one statement, which is one round trip."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from ...schemas.fields import LAST_TIME
from ..web.idempotency import Keyed
from .drafts import Draft
from .inserted import EarlierResponse, Inserted

# Arrays, because their statement is the same for any number of rows.
_INSERT = text("""
WITH stored AS MATERIALIZED (
    SELECT body_mark, answer FROM answers
    WHERE route = CAST(:route AS text) AND key = CAST(:key AS text) AND kept_until >= :now
        AND NOT CAST(:replaces AS boolean)
),
inserted AS (
    INSERT INTO archives (archive_id, session_id, body, key_id, wrapped_key, archived_at, received_at, retention_days,
        policy_id, kept_days, kept_until)
    SELECT archive_id, session_id, body, key_id, wrapped_key, archived_at, CAST(:now AS timestamptz), retention_days,
        policy_id, kept_days,
        least(CAST(:now AS timestamptz) + kept_days * interval '1 day', CAST(:last AS timestamptz))
    FROM (
        SELECT sent.*, (SELECT policy_id FROM policies WHERE policies.policy_id = asked) AS policy_id,
            greatest(sent.retention_days,
                (SELECT retention_days FROM policies WHERE policies.policy_id = asked)) AS kept_days
        FROM unnest(CAST(:archive_ids AS text[]), CAST(:session_ids AS text[]), CAST(:bodies AS bytea[]),
            CAST(:key_ids AS text[]), CAST(:wrapped_keys AS bytea[]), CAST(:archived_at AS timestamptz[]),
            CAST(:retention_days AS integer[]), CAST(:asked AS text[])
        ) AS sent(archive_id, session_id, body, key_id, wrapped_key, archived_at, retention_days, asked)
        WHERE NOT EXISTS (SELECT FROM stored)
        OFFSET 0
    ) AS found
    ON CONFLICT (archive_id) DO NOTHING
    RETURNING archive_id, policy_id
),
responded AS (
    INSERT INTO answers AS kept (route, key, body_mark, answer, kept_until)
    SELECT CAST(:route AS text), CAST(:key AS text), :fingerprint, :expected, :until
    WHERE CAST(:key AS text) IS NOT NULL AND NOT EXISTS (SELECT FROM stored)
        AND (SELECT count(*) = :count AND count(policy_id) = :count_asked FROM inserted)
    ON CONFLICT (route, key) DO UPDATE
        SET body_mark = excluded.body_mark, answer = excluded.answer, kept_until = excluded.kept_until
        WHERE kept.kept_until < :now OR CAST(:replaces AS boolean)
    RETURNING true
)
SELECT (SELECT body_mark FROM stored) AS fingerprint, (SELECT answer FROM stored) AS response,
    ARRAY(SELECT archive_id FROM inserted) AS archive_ids, ARRAY(SELECT policy_id FROM inserted) AS policy_ids,
    EXISTS (SELECT FROM responded) AS has_response
""")


def insert(
    connection: Connection, drafts: Sequence[Draft], keyed: Keyed | None, expected: str, now: datetime
) -> Inserted:
    """Insert the archives whose ids are new; if all are, and under their policies, store the response that says so."""
    # Sorted, so that two batches with the same ids never wait for each other in a circle.
    rows = sorted(drafts, key=lambda draft: draft.entry.id)
    asked = [draft.policy_id for draft in rows]
    given: dict[str, Any] = {
        "archive_ids": [draft.entry.id for draft in rows],
        "session_ids": [draft.entry.session_id for draft in rows],
        "bodies": [draft.sealed.body for draft in rows],
        "key_ids": [draft.sealed.key.key_id for draft in rows],
        "wrapped_keys": [draft.sealed.key.wrapped for draft in rows],
        "archived_at": [draft.entry.archived_at or now for draft in rows],
        "retention_days": [draft.entry.retention_days for draft in rows],
        "asked": asked,
        "count": len(rows),
        "count_asked": len(asked) - asked.count(None),
        "now": now,
        "last": LAST_TIME,
        "route": keyed and keyed.route,
        "key": keyed and keyed.key,
        "fingerprint": keyed and keyed.fingerprint,
        "until": keyed and keyed.kept_until,
        "replaces": keyed is not None and keyed.replaces,
        "expected": expected,
    }
    row = connection.execute(_INSERT, given).one()
    stored = None if row.response is None else EarlierResponse(row.fingerprint, row.response)
    return Inserted(dict(zip(row.archive_ids, row.policy_ids, strict=True)), row.has_response, stored)
