"""Idempotency-Key: one effect and one answer, however often and however concurrently a POST comes."""

import json
from concurrent.futures import ThreadPoolExecutor


def report(session_id, tokens=1):
    return json.dumps({"session_id": session_id, "prompt_tokens": tokens, "completion_tokens": 0})


def count(registry, session_id):
    return registry.get(f"/api/v1/sessions/{session_id}").json["prompt_count"]


def test_without_a_key_every_report_counts(registry, session_id):
    for _ in range(2):
        registry.post("/api/v1/usage", report(session_id))
    assert count(registry, session_id) == 2


def test_the_same_key_counts_once_and_answers_the_same(registry, session_id):
    answers = [registry.post("/api/v1/usage", report(session_id), Idempotency_Key=session_id) for _ in range(3)]
    assert {(answer.status, answer.text) for answer in answers} == {(answers[0].status, answers[0].text)}
    assert count(registry, session_id) == 1


def test_the_same_key_with_another_body_is_refused(registry, session_id):
    registry.post("/api/v1/usage", report(session_id), Idempotency_Key=session_id)
    refused = registry.post("/api/v1/usage", report(session_id, 2), Idempotency_Key=session_id)
    assert (refused.status, refused.json["reason"]) == (409, "key_reused")
    assert count(registry, session_id) == 1


def test_a_refusal_is_not_kept(registry, new_id):
    assert registry.post("/api/v1/usage", report(new_id), Idempotency_Key=new_id).status == 404
    registry.post("/api/v1/sessions", {"session_id": new_id, "model_id": "m"})
    assert registry.post("/api/v1/usage", report(new_id), Idempotency_Key=new_id).status == 201


def test_a_key_belongs_to_its_route(vault, new_id):
    entry = {"id": new_id, "session_id": "s", "data": 1, "retention_days": 1}
    assert vault.post("/api/v1/archive", entry, Idempotency_Key=new_id).status == 201
    assert vault.post("/api/v1/archive/batch", [entry], Idempotency_Key=new_id).status == 200


def test_a_batch_answers_its_key_as_the_first_time(vault, new_id):
    batch = [{"id": new_id, "session_id": "s", "data": 1, "retention_days": 1}, {"session_id": "bad"}]
    answers = [vault.post("/api/v1/archive/batch", batch, Idempotency_Key=new_id) for _ in range(2)]
    assert answers[0].text == answers[1].text


def test_a_key_that_is_no_key_is_refused(registry, session_id):
    for key in ("", "x" * 256):
        assert registry.post("/api/v1/usage", report(session_id), Idempotency_Key=key).status == 400


def test_sixteen_at_once_with_one_key_have_one_effect(registry, session_id):
    with ThreadPoolExecutor(16) as pool:
        sent = [
            pool.submit(registry.post, "/api/v1/usage", report(session_id), Idempotency_Key=session_id)
            for _ in range(48)
        ]
    assert {answer.result().status for answer in sent} == {201}
    assert count(registry, session_id) == 1


def test_sixteen_at_once_with_their_own_keys_all_count(registry, session_id):
    with ThreadPoolExecutor(16) as pool:
        sent = [
            pool.submit(registry.post, "/api/v1/usage", report(session_id), Idempotency_Key=f"{session_id}-{number}")
            for number in range(64)
        ]
    assert {answer.result().status for answer in sent} == {201}
    assert count(registry, session_id) == 64


def test_two_processes_share_one_effect(start):
    registry = start("registry", SERVICE_WORKERS="2")
    body = json.dumps({"session_id": "s", "model_id": "m"})
    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(registry.post, "/api/v1/sessions", body, Idempotency_Key="k") for _ in range(48)]
        texts = {(answer.result().status, answer.result().text) for answer in sent}
    assert len(texts) == 1
    assert registry.get("/api/v1/sessions").json["total"] == 1


def test_the_keys_of_usage_reports_are_known_for_ever(start):
    registry = start("registry")
    registry.post("/api/v1/sessions", {"session_id": "s", "model_id": "m"})
    for days, expected in ((0, 1), (8, 1), (400, 1)):
        registry.stop()
        registry.settings["REGISTRY_CLOCK_OFFSET_SECS"] = str(days * 86_400)
        registry.start()
        registry.post("/api/v1/usage", report("s"), Idempotency_Key="k")
        assert count(registry, "s") == expected
