"""Each Registry operation as the contract writes it: the request by hand, the answer field by field."""

import re

import pytest

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_register_session_answers_a_session_info(registry):
    body = (
        '{"session_id": "contract-1", "model_id": "gpt-3.5-turbo:20230327", "model_version": "v1",'
        ' "started_at": "2026-01-02T03:04:05.123456Z", "metadata": {"user": "é"}, "tags": ["a"]}'
    )
    answer = registry.post("/api/v1/sessions", body, Content_Type="application/json")
    assert answer.status == 201
    assert answer.json == {
        "session_id": "contract-1",
        "model_id": "gpt-3.5-turbo:20230327",
        "started_at": "2026-01-02T03:04:05.123456Z",
        "ended_at": None,
        "status": "active",
        "prompt_count": 0,
        "total_tokens": 0,
        "metadata": {"user": "é"},
    }


def test_register_session_needs_only_two_fields(registry, new_id):
    answer = registry.post("/api/v1/sessions", f'{{"session_id": "{new_id}", "model_id": "m"}}')
    assert answer.status == 201
    assert MOMENT.fullmatch(answer.json["started_at"])


def test_list_sessions_answers_a_page(registry, session_id):
    answer = registry.get("/api/v1/sessions?page=1&page_size=1")
    assert answer.status == 200
    assert set(answer.json) == {"sessions", "total", "page", "page_size"}
    assert (len(answer.json["sessions"]), answer.json["page"], answer.json["page_size"]) == (1, 1, 1)


def test_get_session_answers_a_session_info(registry, session_id):
    answer = registry.get(f"/api/v1/sessions/{session_id}")
    assert (answer.status, answer.json["session_id"], answer.json["ended_at"]) == (200, session_id, None)


def test_update_session_status_answers_a_session_info(registry, session_id):
    answer = registry.send("PUT", f"/api/v1/sessions/{session_id}/status", '{"status": "completed"}')
    assert (answer.status, answer.json["status"]) == (200, "completed")
    assert MOMENT.fullmatch(answer.json["ended_at"])


def test_delete_session_answers_without_a_body(registry, session_id):
    answer = registry.delete(f"/api/v1/sessions/{session_id}")
    assert (answer.status, answer.text) == (204, "")
    assert registry.get(f"/api/v1/sessions/{session_id}").status == 404


def test_list_models_answers_a_page(registry, session_id):
    answer = registry.get("/api/v1/models?page_size=1000")
    assert set(answer.json) == {"models", "total", "page", "page_size"}
    assert f"model-{session_id}" in [model["model_id"] for model in answer.json["models"]]


def test_get_model_metadata_has_every_field_with_its_type(registry, session_id):
    model = registry.get(f"/api/v1/models/model-{session_id}").json
    assert MOMENT.fullmatch(model.pop("created_at"))
    parameters = {"temperature": 1.0, "max_tokens": None, "top_p": None, "frequency_penalty": None}
    assert model == {
        "model_id": f"model-{session_id}",
        "version": "",
        "provider": "unknown",
        "parameters": {**parameters, "presence_penalty": None, "stop_sequences": [], "custom": {}},
        "description": "",
        "capabilities": [],
        "tags": [],
        "metadata": {},
    }


def test_track_usage_adds_to_session_and_model(registry, session_id):
    body = (
        f'{{"session_id": "{session_id}", "model_id": "", "prompt_tokens": 7, "completion_tokens": 5,'
        ' "total_tokens": 12, "latency_ms": 250, "timestamp": "2026-02-03T04:05:06Z", "metadata": {}}'
    )
    assert 200 <= registry.post("/api/v1/usage", body).status < 300
    assert registry.get(f"/api/v1/sessions/{session_id}").json["total_tokens"] == 12
    assert registry.get(f"/api/v1/models/model-{session_id}/usage").json["total_tokens"] == 12


def test_get_session_usage_sums_the_reports(registry, session_id):
    for day, prompt, latency in (("03", 7, 100), ("05", 1, "null")):
        when = f'"latency_ms": {latency}, "timestamp": "2026-02-{day}T00:00:00Z"'
        tokens = f'"prompt_tokens": {prompt}, "completion_tokens": 2'
        registry.post("/api/v1/usage", f'{{"session_id": "{session_id}", {tokens}, {when}}}')
    assert registry.get(f"/api/v1/sessions/{session_id}/usage").json == {
        "id": session_id,
        "total_prompts": 2,
        "total_responses": 2,
        "total_prompt_tokens": 8,
        "total_completion_tokens": 4,
        "total_tokens": 12,
        "avg_latency_ms": 100.0,
        "from": "2026-02-03T00:00:00Z",
        "to": "2026-02-05T00:00:00Z",
        "custom_metrics": {},
    }


@pytest.mark.parametrize("kind", ["sessions/{}", "models/model-{}"])
def test_usage_has_every_field_before_the_first_report(registry, session_id, kind):
    usage = registry.get(f"/api/v1/{kind.format(session_id)}/usage").json
    assert usage["avg_latency_ms"] == 0.0
    assert MOMENT.fullmatch(usage["from"])
    assert MOMENT.fullmatch(usage["to"])
    assert type(usage["total_tokens"]) is int


def test_health_check_needs_no_key(registry):
    assert registry.get("/health").status == 200
