"""Rows that cannot be read: an id that was accepted once, a status of a later release, text that is no JSON."""

import json

import pytest
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.services.database.engines import migration_engine
from memory_graph_workers.tasks.archival.row_faults import UNREADABLE, RowFaults
from sqlalchemy import text

WRONG_IDS = ["gpt-4\n", "..", ".", "a\tb", "\x7f", "\x85", "x" * 257]
MODEL = {"version": "", "provider": "unknown", "created_at": "2026-01-01T00:00:00Z"}


def run(registry, statement, values=None):
    url = registry.database_url.replace("postgresql://", "postgresql+psycopg://")
    with migration_engine(url, "registry").begin() as connection:
        done = connection.execute(text(statement), values or {})
        return done.scalars().all() if done.returns_rows else []


@pytest.mark.parametrize("model_id", WRONG_IDS)
@pytest.mark.parametrize("route", ["usage", "sessions"])
def test_an_id_that_no_path_can_hold_is_refused_wherever_it_is_written(registry, session_id, model_id, route):
    report = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 1, "model_id": model_id}
    body = report if route == "usage" else {"session_id": f"{session_id}-2", "model_id": model_id}
    refused = registry.post(f"/api/v1/{route}", body)
    assert (refused.status, set(refused.json["errors"])) == (422, {"model_id"})


def listed_by(registry):
    """The sessions that a page shows, what it says of the others, and the total."""
    listed = registry.get("/api/v1/sessions")
    assert listed.status == 200, listed.text
    return [one["session_id"] for one in listed.json["sessions"]], listed.json.get("unreadable"), listed.json["total"]


@pytest.mark.parametrize(
    ("details", "field"),
    [
        (json.dumps({**MODEL, "model_id": "gpt-4\n"}), "model_id"),
        (json.dumps(MODEL), "model_id"),
        (json.dumps({**MODEL, "model_id": "m", "parameters": {"temperature": "canary"}}), "parameters"),
        (json.dumps({**MODEL, "model_id": "m", "created_at": "canary"}), "created_at"),
        ("[]", ""), ("null", ""), ("{", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_listing_names_the_models_that_it_cannot_read(registry, session_id, details, field):
    before = registry.get("/api/v1/models?page_size=1000").json
    assert "unreadable" not in before
    model = {"model_id": f"broken-{session_id}", "details": details}
    insert = "INSERT INTO models (number, model_id, created_at, details) "
    insert += "SELECT max(number) + 1, :model_id, '2026-01-01', :details FROM models RETURNING number"
    [number] = run(registry, insert, model)
    found = registry.get("/api/v1/models?page_size=1000")
    run(registry, "DELETE FROM models WHERE model_id = :model_id", model)
    assert (found.status, found.json["models"]) == (200, before["models"])
    assert found.json["unreadable"] == [{"index": len(before["models"]), "field": field}]
    assert found.json["total"] == before["total"] + 1
    assert f'"table": "models", "row": {number}, "field": "{field}"' in registry.logged()
    assert "canary" not in found.text + registry.logged()


CHANGES = [
    ("status = 'paused'", "status"),
    ("details = '{'", "metadata"),
    ("details = ''", "metadata"),
    ("details = '[]'", "metadata"),
    ("details = '\"canary\"'", "metadata"),
    ("details = '{\"canary\": NaN}'", "metadata"),
    ('details = \'{"canary": "\\ud800"}\'', "metadata"),
    ("session_id = 'canary' || chr(10)", "session_id"),
    ("session_id = '..'", "session_id"),
]
OF_ONE_KIND = {
    "sqlite": [
        ("started_at = 'canary'", "started_at"),
        ("started_at = 7", "started_at"),
        ("ended_at = x'ff'", "ended_at"),
        ("details = x'ff'", "metadata"),
        ("details = CAST(x'22ff22' AS TEXT)", "metadata"),
        ("session_id = CAST(x'ff' AS TEXT)", "session_id"),
        ("model_id = x'61'", "model_id"),
    ],
    "postgresql": [
        ("ended_at = 'infinity'", "ended_at"),
        ("started_at = '-infinity'", "started_at"),
        ("started_at = '12026-01-01'", "started_at"),
        ("started_at = '2026-01-01 BC'", "started_at"),
    ],
}  # fmt: skip


def test_a_listing_names_the_sessions_that_it_cannot_read(start):
    registry = start("registry")
    for name in ("a", "b", "c"):
        registry.post("/api/v1/sessions", {"session_id": name, "model_id": "m"})
    assert listed_by(registry) == (["a", "b", "c"], None, 3)
    kind = registry.database_url.partition(":")[0]
    run(registry, "CREATE TABLE kept AS SELECT * FROM sessions WHERE session_id = 'b'")
    number = registry.get("/api/v1/sessions").json["total"] - 1
    for change, field in [*CHANGES, *OF_ONE_KIND[kind]]:
        spoilt = change if kind == "postgresql" else change.replace("chr(", "char(")
        run(registry, f"UPDATE sessions SET {spoilt} WHERE number = {number}")
        assert listed_by(registry) == (["a", "c"], [{"index": 1, "field": field}], 3), change
        assert registry.get("/api/v1/sessions/a").status == 200
        if field != "session_id":
            assert registry.get("/api/v1/sessions/b").status == 500, change
        columns = ("session_id", "model_id", "started_at", "ended_at", "status", "details")
        repaired = ", ".join(f"{name} = (SELECT {name} FROM kept)" for name in columns)
        run(registry, f"UPDATE sessions SET {repaired} WHERE number = {number}")
    assert listed_by(registry) == (["a", "b", "c"], None, 3)
    assert "canary" not in registry.logged()


def test_the_index_counts_the_rows_of_the_page(start):
    registry = start("registry")
    for name in "abcdefg":
        registry.post("/api/v1/sessions", {"session_id": name, "model_id": "m"})
    run(registry, "UPDATE sessions SET details = '{' WHERE session_id IN ('a', 'd', 'e', 'f')")
    pages = [registry.get(f"/api/v1/sessions?page={page}&page_size=3").json for page in (1, 2, 3)]
    assert [[one["session_id"] for one in page["sessions"]] for page in pages] == [["b", "c"], [], ["g"]]
    assert [[one["index"] for one in page.get("unreadable", [])] for page in pages] == [[0], [0, 1, 2], []]
    with RegistryClient(RegistryConfig(f"http://127.0.0.1:{registry.port}", None)) as client:
        assert [one.session_id for one in client.iter_sessions(3)] == ["b", "c", "g"]
        middle = client.list_sessions(2, 3)
    assert RowFaults.of(middle.sessions, 3).named == {f"sessions.{n}.metadata": UNREADABLE for n in (3, 4, 5)}
