"""Rows that cannot be read: an id that was accepted once, a status of a later release, text that is no JSON."""

import json

import pytest
from memory_graph_workers.services.database.engines import migration_engine
from sqlalchemy import text

WRONG_IDS = ["gpt-4\n", "..", ".", "a\tb", "\x7f", "\x85", "x" * 257]
MODEL = {"version": "", "provider": "unknown", "created_at": "2026-01-01T00:00:00Z"}


def run(registry, statement, **values):
    url = registry.database_url.replace("postgresql://", "postgresql+psycopg://")
    with migration_engine(url, "registry").begin() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize("model_id", WRONG_IDS)
@pytest.mark.parametrize("route", ["usage", "sessions"])
def test_an_id_that_no_path_can_hold_is_refused_wherever_it_is_written(registry, session_id, model_id, route):
    report = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 1, "model_id": model_id}
    body = report if route == "usage" else {"session_id": f"{session_id}-2", "model_id": model_id}
    refused = registry.post(f"/api/v1/{route}", body)
    assert (refused.status, set(refused.json["errors"])) == (422, {"model_id"})


@pytest.mark.parametrize(
    "details", [json.dumps({**MODEL, "model_id": "gpt-4\n"}), json.dumps(MODEL), "[]", "null", "{", ""]
)
def test_a_listing_leaves_out_the_models_that_it_cannot_read(registry, session_id, details):
    before = registry.get("/api/v1/models?page_size=1000").json
    number, row = 10**9 + abs(hash((session_id, details))) % 10**8, f"broken-{session_id}"
    insert = "INSERT INTO models (number, model_id, created_at, details) VALUES (:n, :m, '2026-01-01', :d)"
    run(registry, insert, n=number, m=row, d=details)
    found = registry.get("/api/v1/models?page_size=1000")
    assert (found.status, found.json["models"]) == (200, before["models"])
    assert found.json["total"] == before["total"] + 1
    assert f'"table": "models", "row": {number}' in registry.logged()
    run(registry, "DELETE FROM models WHERE number = :n", n=number)


@pytest.mark.parametrize("change", ["status = 'paused'", "details = '{'", "details = ''"])
def test_a_listing_leaves_out_the_sessions_that_it_cannot_read(start, change):
    registry = start("registry")
    for name in ("a", "b", "c"):
        registry.post("/api/v1/sessions", {"session_id": name, "model_id": "m"})
    run(registry, f"UPDATE sessions SET {change} WHERE session_id = 'b'")
    found = registry.get("/api/v1/sessions")
    assert found.status == 200
    assert [session["session_id"] for session in found.json["sessions"]] == ["a", "c"]
    assert registry.get("/api/v1/sessions/a").status == 200
