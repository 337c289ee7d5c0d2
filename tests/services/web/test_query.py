"""What follows a path: a query that the route does not know, or the rest of an id that was not encoded."""

import json

import pytest

DAY_SECS = 24 * 60 * 60
UNESCAPED = ["?x=1", "?page=1", "?", "?&", "?=", "#1", "?a#b", "?status=failed&x"]


@pytest.mark.parametrize("rest", UNESCAPED)
@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_what_follows_an_id_unescaped_never_reaches_another_session(registry, session_id, method, rest):
    refused = registry.send(method, f"/api/v1/sessions/{session_id}{rest}")
    assert (refused.status, "%3F" in refused.json["message"]) == (422, True)
    assert registry.get(f"/api/v1/sessions/{session_id}").status == 200


@pytest.mark.parametrize("path", ["archive/a?x=1", "archive/a?", "archive/a#1", "archive/a/policy?x=1"])
@pytest.mark.parametrize("method", ["DELETE", "GET", "PUT"])
def test_what_follows_an_id_unescaped_never_reaches_another_archive(start_expired, method, path):
    body = json.dumps({"policy_id": "p"})
    assert start_expired.send(method, f"/api/v1/{path}", body).status in {405, 422}
    assert start_expired.get("/api/v1/archive/a").status == 200


@pytest.fixture(scope="module")
def start_expired(start):
    """A vault whose archive `a` may be deleted."""
    vault = start("vault")
    body = {"id": "a", "session_id": "s", "data": {}, "retention_days": 1}
    assert vault.post("/api/v1/archive", body).status == 201
    vault.stop()
    vault.settings["VAULT_CLOCK_OFFSET_SECS"] = str(2 * DAY_SECS)
    vault.start()
    return vault


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs", "/api/v1/models/m", "/api/v1/models/m/usage"])
def test_every_route_refuses_a_query_that_it_does_not_know(registry, path):
    refused = registry.get(f"{path}?x=1&page=2")
    assert (refused.status, set(refused.json["errors"])) == (422, {"x", "page"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "sessions"), ("POST", "usage"), ("PUT", "sessions/{}/status"), ("GET", "models?x=1&")],
)
def test_a_write_with_a_query_changes_nothing(registry, session_id, method, path):
    mark = "" if "?" in path else "?x"
    body = {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 1, "status": "failed", "model_id": "m"}
    assert registry.send(method, f"/api/v1/{path.format(session_id)}{mark}", json.dumps(body)).status == 422
    assert registry.get(f"/api/v1/sessions/{session_id}").json["status"] == "active"
