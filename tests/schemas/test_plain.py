"""What our own producers send is read the quick way, and written as it came."""

import json
from datetime import UTC, datetime
from typing import Any

from memory_graph_workers.schemas.registry import KeyedUsageReport, KeyedUsageReportSchema, UsageReportSchema
from support.written_report import WRITTEN

SCHEMA = KeyedUsageReportSchema()


def test_what_our_producers_send_goes_the_quick_way() -> None:
    # `_plain_values`, because what is slow is right, too.
    fields = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2, "idempotency_key": "k"}
    for given_ in (WRITTEN, fields, {**fields, "timestamp": datetime(2026, 1, 31, tzinfo=UTC)}):
        text = SCHEMA.plain_text(given_)
        assert text is not None
        assert SCHEMA._plain_values(json.loads(text)) is not None
        assert SCHEMA.as_json(SCHEMA.receive(json.loads(text), "seed")) == json.loads(text)


def test_what_is_written_is_nobody_elses_to_change() -> None:
    payload = json.loads(json.dumps(WRITTEN))
    report: Any = SCHEMA.receive(payload, "seed")
    assert isinstance(report, KeyedUsageReport)
    payload["session_id"] = "other"
    SCHEMA.as_json(report).pop("session_id")
    assert SCHEMA.as_json(report) == WRITTEN
    assert "idempotency_key" not in UsageReportSchema().write(report)
