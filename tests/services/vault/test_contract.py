"""Each Vault operation as the contract writes it: the request by hand, the answer field by field."""

import json
import re

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ENTRY = (
    '{"id": "ID", "session_id": "s:1/a", "data": {"b": [1, 2.5, null, true], "a": "\\u00e9 \\ud83d\\ude00 \\u0000"},'
    ' "archived_at": "2026-01-02T03:04:05.5Z", "retention_days": 365, "tags": ["t"], "metadata": {"k": 1}}'
)


def entry(archive_id):
    return ENTRY.replace("ID", archive_id)


def test_archive_session_answers_a_receipt(vault, new_id):
    switches = {"X_Encryption_Enabled": "true", "X_Compression_Enabled": "false"}
    answer = vault.post("/api/v1/archive", entry(new_id), Content_Type="application/json", **switches)
    assert answer.status == 201
    more = {name: answer.json[name] for name in ("received_at", "kept_until")}
    assert all(MOMENT.fullmatch(moment) for moment in more.values())
    assert answer.json == {
        **more,
        "archive_id": new_id,
        "session_id": "s:1/a",
        "status": "archived",
        "archived_at": "2026-01-02T03:04:05.500000Z",
    }


def test_retrieve_session_answers_what_was_sent(vault, new_id):
    vault.post("/api/v1/archive", entry(new_id))
    answer = vault.get(f"/api/v1/archive/{new_id}")
    assert answer.status == 200
    sent = json.loads(entry(new_id))
    more = {name: answer.json[name] for name in ("received_at", "kept_until")} | {"newest_archive_id": new_id}
    assert answer.json == {**sent, **more, "archived_at": "2026-01-02T03:04:05.500000Z"}


def test_batch_archive_judges_each_entry(vault, new_id):
    body = f'[{entry(new_id)}, {{"session_id": "s2", "id": "{new_id}-2"}}]'
    answer = vault.post("/api/v1/archive/batch", body)
    assert answer.status == 200
    assert (answer.json["archived"], answer.json["total"], answer.json["success_count"]) == ([new_id], 2, 1)
    assert answer.json["failed"][0]["session_id"] == "s2"
    assert "retention_days" in answer.json["failed"][0]["error"]


def test_batch_archive_puts_entries_under_the_policies_that_they_name(vault, new_id):
    first, second = f"{new_id}-1", f"{new_id}-2"
    policy = f'{{"policy_id": "{new_id}", "name": "p", "retention_days": 1095, "compliance_level": "pci"}}'
    assert vault.post("/api/v1/policies", policy).status == 201
    placed, unknown = (
        entry(one)[:-1] + f', "policy_id": "{name}"}}' for one, name in ((first, new_id), (second, "nobody-made-it"))
    )
    answer = vault.post("/api/v1/archive/batch", f"[{placed}, {unknown}, {entry(new_id)}]")
    assert answer.status == 200
    assert answer.json == {
        "archived": [first, second, new_id],
        "failed": [],
        "total": 3,
        "success_count": 3,
        "policies": {first: new_id},
    }
    there = vault.get(f"/api/v1/archive/{first}").json
    assert (there["policy_id"], there["retention_days"]) == (new_id, 1095)
    assert there["kept_until"][:4] > there["received_at"][:4]
    for one in (second, new_id):
        there = vault.get(f"/api/v1/archive/{one}").json
        assert ("policy_id" in there, there["retention_days"]) == (False, 365)


def test_health_says_that_a_batch_takes_policies(vault):
    assert vault.get("/health").json["capabilities"]["archive_policy"] == {}


def test_delete_archive_succeeds_after_the_retention(start, new_id):
    vault = start("vault", VAULT_CLOCK_OFFSET_SECS=str(-2 * 86_400))
    vault.post("/api/v1/archive", f'{{"id": "{new_id}", "session_id": "s", "data": null, "retention_days": 1}}')
    vault.stop()
    vault.settings["VAULT_CLOCK_OFFSET_SECS"] = "0"
    vault.start()
    answer = vault.delete(f"/api/v1/archive/{new_id}")
    assert (answer.status, answer.text) == (204, "")
    assert vault.get(f"/api/v1/archive/{new_id}").status == 404


def test_create_retention_policy_answers_its_id_at_the_top(vault, new_id):
    body = (
        f'{{"policy_id": "{new_id}", "name": "p", "retention_days": 2555, "auto_delete": false, "description": "",'
        ' "compliance_level": "hipaa", "created_at": "2026-01-01T00:00:00Z", "tags": ["hipaa"]}'
    )
    answer = vault.post("/api/v1/policies", body)
    assert (answer.status, answer.json["policy_id"]) == (201, new_id)


def test_apply_retention_policy_lengthens_the_retention(vault, new_id):
    vault.post("/api/v1/archive", entry(new_id))
    policy = f'{{"policy_id": "{new_id}", "name": "p", "retention_days": 1095, "compliance_level": "pci"}}'
    vault.post("/api/v1/policies", policy)
    answer = vault.put(f"/api/v1/archive/{new_id}/policy", f'{{"policy_id": "{new_id}"}}')
    assert 200 <= answer.status < 300
    assert vault.get(f"/api/v1/archive/{new_id}").json["retention_days"] == 1095


def test_health_check_needs_no_key(vault):
    assert vault.send("GET", "/health", Authorization="").status == 200
