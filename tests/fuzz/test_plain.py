"""The quick way of a keyed usage report decides as marshmallow does, and writes the same."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema
from memory_graph_workers.clients.call import encode
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import KeyedUsageReportSchema
from support.fuzzing import JSON, TEXT, TIMES, examples, objects
from support.written_report import WRITTEN

SCHEMA = KeyedUsageReportSchema()
METADATA = st.dictionaries(TEXT, JSON, max_size=4).map(lambda drawn: {**WRITTEN, "metadata": drawn})
TIMED = TIMES.map(lambda drawn: {**WRITTEN, "timestamp": drawn})


def slowly(payload: dict[str, Any]) -> Any:
    """Read as marshmallow alone does; None if it refuses."""
    with suppress(ValidationError):
        return Schema.load(SCHEMA, payload)
    return None


def quickly(payload: dict[str, Any]) -> Any:
    """Read as a worker does; None if it is refused."""
    with suppress(ValidationError):
        return SCHEMA.receive(payload, "seed")
    return None


@given(drawn=objects(WRITTEN) | METADATA | TIMED)
@examples(300)
def test_a_report_is_read_and_written_as_marshmallow_would(drawn: dict[str, Any]) -> None:
    if "timestamp" not in drawn or "idempotency_key" not in drawn:
        return
    slow, quick = slowly(drawn), quickly(drawn)
    assert slow == quick
    if slow is not None:
        assert encode(SCHEMA.as_json(quick)) == encode(SCHEMA.as_json(slow))


@given(drawn=objects(WRITTEN) | METADATA | TIMED)
@examples(300)
def test_a_sent_report_is_the_text_that_marshmallow_would_lead_to(drawn: dict[str, Any]) -> None:
    text = SCHEMA.plain_text(drawn)
    if text is None:
        return
    sent = json.loads(text)
    found = slowly({"timestamp": sent["timestamp"], **drawn})
    assert found is not None
    assert text == encode(SCHEMA.as_json(found))
