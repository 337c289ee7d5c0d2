"""What a deleted session leaves in the Registry's database: numbers, and nothing that anybody wrote."""

import uuid

import pytest
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry.records import Base, UsageRecord
from sqlalchemy import select

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
