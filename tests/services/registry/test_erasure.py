"""What a deleted session leaves in the Registry's database: numbers, and nothing that anybody wrote."""

import uuid

import pytest
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry.records import Base, UsageRecord
from sqlalchemy import select, text

NAMED = [{"user": "Ada"}, {"tokens": {"cached_tokens": 4}, "mail": "ada@example.org"}, {"a": [{"b": "Ada"}]}, {}]


def rows(registry, model_id):
    storage = Storage(DatabaseUrl().deserialize(registry.database_url), Base)
    query = select(UsageRecord.total_tokens, UsageRecord.details).where(UsageRecord.model_id == model_id)
    with storage.read() as session:
        found = [tuple(row) for row in session.execute(query.order_by(UsageRecord.number))]
    storage.close()
    return found


@pytest.mark.parametrize("given", [NAMED, NAMED[:1], []])
def test_the_usage_reports_of_a_deleted_session_keep_their_numbers_alone(registry, given):
    gone, kept, model = (uuid.uuid4().hex for _ in range(3))
    for session_id in (gone, kept):
        registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": model})
        for metadata in given:
            body = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 2, "metadata": metadata}
            registry.post("/api/v1/usage", body)
    before = registry.get(f"/api/v1/models/{model}/usage").json
    assert [registry.delete(f"/api/v1/sessions/{gone}").status for _ in range(2)] == [204, 204]
    assert rows(registry, model) == [(3, {})] * len(given) + [(3, metadata) for metadata in given]
    assert registry.get(f"/api/v1/models/{model}/usage").json == before


def stored(registry):
    """Every response that the Registry keeps for a repeat, as text, and how many they are."""
    storage = Storage(DatabaseUrl().deserialize(registry.database_url), Base)
    with storage.read() as session:
        found = [row[0] for row in session.execute(text("SELECT answer FROM answers"))]
    storage.close()
    return "\n".join(found), len(found)


@pytest.mark.parametrize("metadata", [{"user": "Ada"}, {"a": [{"mail": "Ada"}], "n": 1.0}, {}])
@pytest.mark.parametrize("route", ["", "/reopen"])
def test_no_stored_response_keeps_a_sessions_metadata_and_a_repeat_has_no_second_effect(registry, route, metadata):
    session_id, key = (uuid.uuid4().hex for _ in range(2))
    body = {"session_id": session_id, "model_id": "m", "metadata": metadata}
    if route:
        registry.post("/api/v1/sessions", body)
    path, sent = f"/api/v1/sessions{f'/{session_id}' if route else ''}{route}", "" if route else body
    first, again = (registry.post(path, sent, Idempotency_Key=key) for _ in range(2))
    assert (first.status, first.text) == (again.status, again.text)
    assert first.json["metadata"] == metadata
    before, count = stored(registry)
    assert "Ada" not in before
    registry.delete(f"/api/v1/sessions/{session_id}")
    repeated = registry.post(path, sent, Idempotency_Key=key)
    assert (repeated.status, repeated.json) == (first.status, {**first.json, "metadata": {} if route else metadata})
    assert registry.get(f"/api/v1/sessions/{session_id}").status == 404
    assert stored(registry) == (before, count)
