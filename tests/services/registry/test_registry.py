"""What a Registry does beyond the shape of its answers."""

import json

import pytest


def register(registry, session_id, **others):
    body = {"session_id": session_id, "model_id": "m", "started_at": "2026-01-01T00:00:00Z", **others}
    return registry.post("/api/v1/sessions", body)


def move(registry, session_id, status):
    return registry.put(f"/api/v1/sessions/{session_id}/status", {"status": status})


def report(registry, session_id, **others):
    return registry.post(
        "/api/v1/usage", {"session_id": session_id, "prompt_tokens": 1, "completion_tokens": 1, **others}
    )


@pytest.mark.parametrize("change", [{"model_id": "n"}, {"tags": ["x"]}, {"metadata": {"a": 1}}, {"model_version": "2"}])
def test_a_second_registration_with_other_content_is_refused(registry, session_id, change):
    refused = register(registry, session_id, **{"model_id": f"model-{session_id}", **change})
    assert (refused.status, refused.json["reason"]) == (409, "other_content")


@pytest.mark.parametrize(
    "given", [{}, {"started_at": "2026-01-01T00:00:01Z"}, {"started_at": "1999-01-01T00:00:00+05:00"}]
)
def test_the_first_start_of_a_session_stands(registry, session_id, given):
    for _ in range(2):
        answer = registry.post(
            "/api/v1/sessions", {"session_id": session_id, "model_id": f"model-{session_id}", **given}
        )
        assert (answer.status, answer.json["started_at"]) == (201, "2026-01-01T00:00:00Z")


def test_a_second_registration_is_the_same_whatever_happened_to_the_session_meanwhile(registry, session_id):
    move(registry, session_id, "completed")
    answer = register(registry, session_id, model_id=f"model-{session_id}", started_at="2026-05-05T00:00:00Z")
    assert (answer.status, answer.json["status"]) == (201, "completed")


@pytest.mark.parametrize("steps", [["completed", "archived"], ["failed", "archived"]])
def test_a_session_moves_on_and_the_same_status_again_changes_nothing(registry, session_id, steps):
    for status in steps:
        first, again = move(registry, session_id, status), move(registry, session_id, status)
        assert (first.status, again.status) == (200, 200)
        assert first.json == again.json


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ([], "archived"),
        (["completed"], "active"),
        (["completed"], "failed"),
        (["completed", "archived"], "completed"),
        (["completed", "archived"], "active"),
    ],
)
def test_a_session_never_moves_back_or_skips(registry, session_id, path, refused):
    for status in path:
        move(registry, session_id, status)
    answer = move(registry, session_id, refused)
    assert (answer.status, answer.json["reason"]) == (409, "status_not_allowed")
    assert answer.json["session_status"] == ["active", *path][-1]
    assert registry.get(f"/api/v1/sessions/{session_id}").json["status"] == ["active", *path][-1]


def test_archiving_keeps_the_moment_of_the_end(registry, session_id):
    ended_at = move(registry, session_id, "completed").json["ended_at"]
    assert move(registry, session_id, "archived").json["ended_at"] == ended_at


def test_deleting_what_is_gone_succeeds(registry, session_id):
    assert [registry.delete(f"/api/v1/sessions/{session_id}").status for _ in range(2)] == [204, 204]


def test_the_usage_of_a_deleted_session_stays_with_its_model_alone(registry, session_id):
    report(registry, session_id)
    registry.delete(f"/api/v1/sessions/{session_id}")
    assert registry.get(f"/api/v1/models/model-{session_id}/usage").json["total_tokens"] == 2
    register(registry, session_id)
    assert registry.get(f"/api/v1/sessions/{session_id}").json["total_tokens"] == 0


def test_usage_of_a_session_that_is_not_registered_is_refused(registry, new_id):
    assert report(registry, new_id).status == 404


def test_usage_counts_for_the_model_it_names(registry, session_id, new_id):
    report(registry, session_id, model_id=f"other/{new_id}")
    assert registry.get(f"/api/v1/models/other/{new_id}/usage").json["total_prompts"] == 1
    assert registry.get(f"/api/v1/models/model-{session_id}/usage").json["total_prompts"] == 0


@pytest.mark.parametrize(("total", "status"), [(None, 201), (2, 201), (3, 201), (10**12, 201), (1, 422), (0, 422)])
def test_a_total_may_exceed_the_sum_and_never_falls_below(registry, session_id, total, status):
    more = {} if total is None else {"total_tokens": total}
    assert report(registry, session_id, **more).status == status
    counted = (total or 2) if status == 201 else 0
    assert registry.get(f"/api/v1/sessions/{session_id}").json["total_tokens"] == counted


def test_tokens_of_each_kind_are_summed_for_session_and_model(registry, session_id):
    first = {"cached_tokens": 5, "reasoning_tokens": 7, "tool_tokens": 0, "of_my_own": "x"}
    for tokens in (
        first,
        {"cached_tokens": 1, "cache_write_tokens": 2, "audio_tokens": 3, "tool_tokens": None},
        None,
        "many",
    ):
        assert report(registry, session_id, metadata={"tokens": tokens, "user": "u"}).status == 201
    report(registry, session_id)
    sums = {"cached_tokens": 6, "cache_write_tokens": 2, "reasoning_tokens": 7, "audio_tokens": 3}
    for path in (f"sessions/{session_id}", f"models/model-{session_id}"):
        assert registry.get(f"/api/v1/{path}/usage").json["custom_metrics"] == sums


@pytest.mark.parametrize("kind", ["cached_tokens", "audio_tokens"])
@pytest.mark.parametrize("count", [-1, 1.5, "5", True, 2**63, 10**12 + 1])
def test_what_is_no_count_of_tokens_is_refused_by_its_field(registry, session_id, kind, count):
    refused = report(registry, session_id, metadata={"tokens": {kind: count}})
    assert (refused.status, set(refused.json["errors"])) == (422, {"metadata"})


@pytest.mark.parametrize("tokens", [2**63 - 1, 2**63, -1, 1.0, "1", True])
def test_token_counts_beyond_reason_are_refused(registry, session_id, tokens):
    assert report(registry, session_id, prompt_tokens=tokens).status == 422


def test_pages_follow_the_registration_whatever_the_status(start):
    registry = start("registry")
    for number in range(7):
        register(registry, f"s{number}")
    move(registry, "s1", "completed")
    pages = [registry.get(f"/api/v1/sessions?page={page}&page_size=3").json for page in (1, 2, 3, 4)]
    ids = [[session["session_id"] for session in page["sessions"]] for page in pages]
    assert ids == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6"], []]
    assert {page["total"] for page in pages} == {7}


def test_filters_choose_by_status_and_start(start):
    registry = start("registry")
    for number in range(1, 4):
        register(registry, f"s{number}", started_at=f"2026-01-0{number}T00:00:00Z")
    move(registry, "s1", "failed")
    move(registry, "s3", "failed")
    found = registry.get("/api/v1/sessions?status=failed&started_before=2026-01-03T01:00:00%2B02:00").json
    assert ([session["session_id"] for session in found["sessions"]], found["total"]) == (["s1"], 1)


def test_a_page_has_at_most_1000_sessions(registry):
    assert registry.get("/api/v1/sessions?page_size=5000").json["page_size"] == 1000


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "page_size=0", "page=99999999999999999999", "status=gone", "started_before=now", "p=1"],
)
def test_a_wrong_query_is_refused(registry, query):
    assert registry.get(f"/api/v1/sessions?{query}").status == 422


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [("x%2Fusage", "x/usage"), ("%E4%BD%A0%3A%F0%9F%98%80", "你:😀"), ("a%20b%3Fc%23d", "a b?c#d"), ("a:b", "a:b")],
)
def test_an_id_is_taken_from_the_raw_path(start_once, encoded, plain):
    register(start_once, plain)
    answer = start_once.get(f"/api/v1/sessions/{encoded}")
    assert (answer.status, answer.json["session_id"]) == (200, plain)
    assert start_once.get(f"/api/v1/sessions/{encoded}/usage").json["id"] == plain


@pytest.fixture(scope="module")
def start_once(start):
    return start("registry")


@pytest.mark.parametrize("path", [".", "..", "%2e%2e", "%00", "%ff", "a" * 257, "%0a"])
def test_what_is_no_id_is_refused(registry, path):
    assert registry.get(f"/api/v1/sessions/{path}").status == 422


@pytest.mark.parametrize("path", ["/", "/api/v1/sessions/", "/api/v1/nothing", "/api/v1"])
def test_an_unknown_path_is_not_found_and_never_redirected(registry, path):
    answer = registry.get(path)
    assert answer.status == 404
    assert answer.json["message"]


def test_models_come_from_a_file_too(start, tmp_path):
    model = {"model_id": "a/b", "version": "2", "provider": "acme", "created_at": "2026-01-01T00:00:00Z"}
    (tmp_path / "models.json").write_text(json.dumps([model]))
    registry = start("registry", REGISTRY_MODELS_FILE=str(tmp_path / "models.json"))
    register(registry, "s", model_id="a/b")
    assert registry.get("/api/v1/models/a%2Fb").json["provider"] == "acme"
    assert registry.get("/api/v1/models").json["total"] == 1


def test_the_clock_can_be_shifted(start):
    registry = start("registry", REGISTRY_CLOCK_OFFSET_SECS="-31536000")
    register(registry, "s")
    assert move(registry, "s", "completed").json["ended_at"] < "2026"


def test_true_is_not_one(registry, new_id):
    assert register(registry, new_id, metadata={"a": 1}).status == 201
    assert register(registry, new_id, metadata={"a": True}).status == 409


def test_a_registry_with_keys_asks_for_one(start):
    registry = start("registry", REGISTRY_KEYS="one, two")
    assert (registry.get("/health").status, registry.get("/api/v1/sessions").status) == (200, 401)
    assert registry.get("/api/v1/sessions", Authorization="Bearer two").status == 200
