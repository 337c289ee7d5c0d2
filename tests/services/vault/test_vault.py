"""What a Vault does beyond the shape of its answers."""

import json
from datetime import timedelta

import pytest
from memory_graph_workers.schemas.fields import now, parse_timestamp

DAY_SECS = 86_400


def entry(archive_id, **others):
    return {"id": archive_id, "session_id": "s", "data": {"a": 1}, "retention_days": 365, **others}


def archive(vault, archive_id, **others):
    return vault.post("/api/v1/archive", entry(archive_id, **others))


def policy(policy_id, **others):
    return {"policy_id": policy_id, "name": "p", "retention_days": 400, "compliance_level": "standard", **others}


def test_the_same_archive_again_gets_the_first_receipt(vault, new_id):
    first = archive(vault, new_id)
    again = archive(vault, new_id, tags=["later"], archived_at="2030-01-01T00:00:00Z")
    assert (again.status, again.json) == (201, first.json)
    assert vault.get(f"/api/v1/archive/{new_id}").json["tags"] == []


@pytest.mark.parametrize("change", [{"data": {"a": 1.0}}, {"session_id": "t"}, {"retention_days": 366}])
def test_another_archive_under_the_same_id_is_refused(vault, new_id, change):
    archive(vault, new_id)
    refused = archive(vault, new_id, **change)
    assert (refused.status, refused.json["reason"]) == (409, "other_content")
    assert vault.get(f"/api/v1/archive/{new_id}").json["data"] == {"a": 1}


def test_an_entry_without_an_id_gets_the_same_one_each_time(vault, new_id):
    body = {"session_id": new_id, "data": 1, "retention_days": 1}
    assert len({vault.post("/api/v1/archive", body).json["archive_id"] for _ in range(3)}) == 1


@pytest.mark.parametrize("data", [None, "", 0, [], {"é\u0000😀\u2028": ["\ud7ff", 1e300, 12345678901234567890, -0.0]}])
def test_data_comes_back_as_it_was_sent(vault, new_id, data):
    archive(vault, new_id, data=data)
    kept = vault.get(f"/api/v1/archive/{new_id}").json["data"]
    assert json.dumps(kept) == json.dumps(data)


def test_a_batch_keeps_the_good_and_names_the_bad(vault, new_id):
    archive(vault, new_id)
    batch = [entry(f"{new_id}-1"), entry(new_id, data=2, session_id="changed"), 7, {"session_id": 7}, entry(new_id)]
    answer = vault.post("/api/v1/archive/batch", batch).json
    assert answer["archived"] == [f"{new_id}-1", new_id]
    assert [failure["session_id"] for failure in answer["failed"]] == ["changed", "", ""]
    assert (answer["total"], answer["success_count"]) == (5, 2)


@pytest.mark.parametrize(("body", "status"), [("{}", 422), ("null", 422), ("[", 400), (f"[{'1,' * 1000}1]", 413)])
def test_a_batch_is_an_array_of_at_most_1000(vault, body, status):
    assert vault.post("/api/v1/archive/batch", body).status == status


def test_an_empty_batch_is_fine(vault):
    assert vault.post("/api/v1/archive/batch", "[]").json == {
        "archived": [], "failed": [], "total": 0, "success_count": 0,
    }  # fmt: skip


def test_what_is_too_large_fails_alone(start):
    vault = start("vault", VAULT_MAX_BODY_BYTES="20000", VAULT_MAX_ENTRY_BYTES="5000")
    large = entry("large", data="x" * 6000)
    answer = vault.post("/api/v1/archive/batch", [entry("small"), large]).json
    assert (answer["archived"], "too large" in answer["failed"][0]["error"]) == (["small"], True)
    assert vault.post("/api/v1/archive", large).status == 413
    assert vault.post("/api/v1/archive/batch", [large] * 5).status == 413


@pytest.mark.parametrize("said", [{}, *({"archived_at": f"{year}-01-01T00:00:00Z"} for year in (1970, 2026, 9000))])
@pytest.mark.parametrize("days", [1, 2555])
def test_an_archive_is_kept_from_when_the_vault_received_it(vault, new_id, said, days):
    before = now()
    receipt = archive(vault, new_id, retention_days=days, **said).json
    received, until = parse_timestamp(receipt["received_at"]), parse_timestamp(receipt["kept_until"])
    assert before <= received <= now()
    assert until == received + timedelta(days=days)
    kept = vault.get(f"/api/v1/archive/{new_id}").json
    assert [kept[name] for name in ("received_at", "kept_until")] == [receipt["received_at"], receipt["kept_until"]]
    assert "policy_id" not in receipt | kept
    refused = vault.delete(f"/api/v1/archive/{new_id}")
    assert refused.json == {
        "code": 409,
        "status": "Conflict",
        "message": f"Kept until {receipt['kept_until']}: retention is not over.",
        "reason": "retention_not_over",
        "kept_until": receipt["kept_until"],
    }


@pytest.mark.parametrize("in_a_batch", [False, True])
def test_an_archive_tells_which_one_of_its_session_was_received_last(vault, new_id, in_a_batch):
    session_id, ids = f"session-{new_id}", [f"{new_id}-{letter}" for letter in "bca"]
    for number, archive_id in enumerate(ids):
        sent = entry(archive_id, session_id=session_id, archived_at=f"{2026 - number}-01-01T00:00:00Z")
        vault.post("/api/v1/archive/batch", [sent]) if in_a_batch else vault.post("/api/v1/archive", sent)
        archive(vault, f"{archive_id}-other", session_id=f"{session_id}-other")
        told = [vault.get(f"/api/v1/archive/{one}").json["newest_archive_id"] for one in ids[: number + 1]]
        assert told == [archive_id] * (number + 1)


@pytest.mark.parametrize("level", ["hipaa", "gdpr", "pci"])
def test_a_policy_counts_from_the_receipt_whatever_the_age_that_an_archive_claims(vault, new_id, level):
    days = {"hipaa": 2555, "gdpr": 2555, "pci": 1095}[level]
    received = parse_timestamp(archive(vault, new_id, archived_at="2018-01-01T00:00:00Z").json["received_at"])
    vault.post("/api/v1/policies", policy(new_id, compliance_level=level, retention_days=days))
    vault.put(f"/api/v1/archive/{new_id}/policy", {"policy_id": new_id})
    kept = vault.get(f"/api/v1/archive/{new_id}").json
    assert (kept["policy_id"], parse_timestamp(kept["kept_until"])) == (new_id, received + timedelta(days=days))
    assert vault.delete(f"/api/v1/archive/{new_id}").status == 409


def test_retention_ends_by_the_vaults_clock(start):
    vault = start("vault")
    archive(vault, "a", retention_days=30)
    assert vault.delete("/api/v1/archive/a").status == 409
    vault.stop()
    vault.settings["VAULT_CLOCK_OFFSET_SECS"] = str(31 * DAY_SECS)
    vault.start()
    assert [vault.delete("/api/v1/archive/a").status for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("days", [1, 365_000])
def test_a_policy_only_lengthens(vault, new_id, days):
    archive(vault, new_id, retention_days=days)
    vault.post("/api/v1/policies", policy(new_id))
    for _ in range(2):
        assert vault.put(f"/api/v1/archive/{new_id}/policy", {"policy_id": new_id}).status == 204
    assert vault.get(f"/api/v1/archive/{new_id}").json["retention_days"] == max(days, 400)
    assert archive(vault, new_id, retention_days=days).status == 201


def test_an_unknown_policy_or_archive_is_not_found(vault, new_id):
    archive(vault, new_id)
    vault.post("/api/v1/policies", policy(new_id))
    assert vault.put(f"/api/v1/archive/{new_id}/policy", {"policy_id": "none"}).status == 404
    assert vault.put("/api/v1/archive/none/policy", {"policy_id": new_id}).status == 404


def test_a_policy_is_created_once(vault, new_id):
    assert vault.post("/api/v1/policies", policy(new_id)).status == 201
    assert vault.post("/api/v1/policies", policy(new_id, created_at="2026-01-01T00:00:00Z")).status == 201
    refused = vault.post("/api/v1/policies", policy(new_id, retention_days=500))
    assert (refused.status, refused.json["reason"]) == (409, "other_content")


@pytest.mark.parametrize(("level", "days"), [("hipaa", 2555), ("gdpr", 2555), ("pci", 1095), ("soc2", 2555)])
def test_a_policy_below_its_levels_floor_is_refused(vault, new_id, level, days):
    answer = vault.post("/api/v1/policies", policy(new_id, compliance_level=level, retention_days=days - 1))
    assert answer.status == 422
    assert str(days) in answer.json["errors"]["retention_days"][0]
    assert vault.post("/api/v1/policies", policy(new_id, compliance_level=level, retention_days=days)).status == 201


@pytest.mark.parametrize("days", [1, 90, 364, 365])
def test_a_standard_policy_has_the_days_that_it_was_made_with(vault, new_id, days):
    assert vault.post("/api/v1/policies", policy(new_id, retention_days=days)).status == 201
    archive(vault, new_id, retention_days=1)
    vault.put(f"/api/v1/archive/{new_id}/policy", {"policy_id": new_id})
    assert vault.get(f"/api/v1/archive/{new_id}").json["retention_days"] == days


@pytest.mark.parametrize("path", ["archive/x", "nothing"])
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic vault-key-1", "Bearer vault-key-1x", "é"])
def test_without_the_key_there_is_only_401(vault, path, given):
    answer = vault.send("GET", f"/api/v1/{path}", Authorization=given.encode())
    assert (answer.status, answer.json["status"]) == (401, "Unauthorized")
    assert "vault-key" not in answer.text


@pytest.mark.parametrize("key", ["vault-key-1", "another-key"])
def test_any_of_the_keys_opens(vault, key):
    assert vault.send("GET", "/api/v1/archive/none", Authorization=f"bearer {key}").status == 404


def test_a_switch_that_is_neither_true_nor_false_is_refused(vault, new_id):
    answer = vault.post("/api/v1/archive", entry(new_id), X_Encryption_Enabled="yes")
    assert answer.status == 400
