"""What the published Rust client sends: every POST three times, ids unescaped, no Content-Type, `//api`."""

import json

import pytest


def thrice(service, path, body):
    """It repeats a POST whose answer it cannot read, without a key."""
    answers = [service.post(path, body) for _ in range(3)]
    assert {answer.status for answer in answers} == {answers[0].status}
    assert len({answer.text for answer in answers}) == 1
    return answers[0]


def registration(session_id, model_id="gpt-4"):
    return (
        f'{{"session_id":"{session_id}","model_id":"{model_id}","model_version":"",'
        '"started_at":"2026-01-02T03:04:05.123456789Z","metadata":{},"tags":[]}'
    )


def test_registers_three_times_and_has_one_session(registry, new_id):
    before = registry.get("/api/v1/sessions").json["total"]
    answer = thrice(registry, "//api/v1/sessions", registration(new_id))
    assert (answer.status, answer.json["started_at"]) == (201, "2026-01-02T03:04:05.123456Z")
    assert registry.get("/api/v1/sessions").json["total"] == before + 1


def test_reports_usage_with_an_empty_model_and_no_latency(registry, new_id):
    registry.post("/api/v1/sessions", registration(new_id, f"m/{new_id}"))
    body = (
        f'{{"session_id":"{new_id}","model_id":"","prompt_tokens":3,"completion_tokens":4,"total_tokens":7,'
        '"latency_ms":null,"timestamp":"2026-01-02T03:04:05.999999999Z","metadata":{}}'
    )
    assert registry.post("//api/v1/usage", body).status < 300
    assert registry.get(f"/api/v1/models/m/{new_id}/usage").json["total_tokens"] == 7


def test_archives_three_times_and_has_one_archive(vault, new_id):
    body = (
        f'{{"id":"{new_id}","session_id":"s","data":null,"archived_at":"2026-01-02T03:04:05.123456789Z",'
        '"retention_days":365,"tags":[],"metadata":{}}'
    )
    assert thrice(vault, "//api/v1/archive", body).status == 201
    assert thrice(vault, "//api/v1/archive/batch", f"[{body}]").json["archived"] == [new_id]


def test_creates_a_policy_three_times_and_has_one(vault, new_id):
    body = (
        f'{{"policy_id":"{new_id}","name":"p","retention_days":365,"auto_delete":false,"compliance_level":"standard",'
        '"description":"","created_at":"2026-01-02T03:04:05.123456789Z","tags":["standard"]}'
    )
    assert thrice(vault, "//api/v1/policies", body).json["policy_id"] == new_id


@pytest.mark.parametrize("path", ["meta-llama/{}", "meta-llama%2F{}", "meta-llama%2f{}"])
def test_a_slash_in_an_id_may_be_plain(registry, new_id, path):
    registry.post("/api/v1/sessions", registration(new_id, f"meta-llama/{new_id}"))
    model = registry.get(f"//api/v1/models/{path.format(new_id)}")
    assert (model.status, model.json["model_id"]) == (200, f"meta-llama/{new_id}")
    usage = registry.get(f"//api/v1/models/{path.format(new_id)}/usage")
    assert (usage.status, usage.json["id"]) == (200, f"meta-llama/{new_id}")


def test_lists_without_a_query(registry):
    assert registry.get("//api/v1/sessions").json["page"] == 1
    assert registry.get("//api/v1/models").json["page"] == 1


NULLABLE = {"ended_at", "max_tokens", "top_p", "frequency_penalty", "presence_penalty", "data"}


def test_finds_null_only_where_it_can_be_read_and_no_float_for_a_count(registry, vault, new_id):
    entry = f'{{"id":"{new_id}","session_id":"s","data":null,"retention_days":1}}'
    policy = f'{{"policy_id":"{new_id}","name":"p","retention_days":1,"compliance_level":"standard"}}'
    written = [
        registry.post("/api/v1/sessions", registration(new_id, new_id)),
        registry.put(f"/api/v1/sessions/{new_id}/status", '{"status":"active"}'),
        vault.post("/api/v1/archive", entry),
        vault.post("/api/v1/archive/batch", f"[{entry},{{}}]"),
        vault.post("/api/v1/policies", policy),
    ]
    paths = [f"sessions/{new_id}", f"sessions/{new_id}/usage", f"models/{new_id}", "sessions", "models"]
    read = [registry.get(f"/api/v1/{path}") for path in paths] + [vault.get(f"/api/v1/archive/{new_id}")]
    for answer in written + read:
        assert answer.status < 300
        json.loads(answer.text, object_pairs_hook=check_members)


def check_members(pairs):
    for name, value in pairs:
        assert value is not None or name in NULLABLE, name
        assert not isinstance(value, float) or name in {"avg_latency_ms", "temperature"}, name
    return dict(pairs)
