"""Archives of a request, stored in few round trips: what becomes of each, also beside others with the same ids."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from flask import Flask
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.vault import storing
from memory_graph_workers.services.vault.app import make_app, prepare
from memory_graph_workers.services.vault.config import VaultServiceConfig
from memory_graph_workers.services.vault.keys import new_key
from sqlalchemy import event, text
from support.vault_database import OLD_KEY

BATCH, ONE = "/api/v1/archive/batch", "/api/v1/archive"


class Vault:
    """A vault's application in this process, and what it says to its database."""

    def __init__(self, url, keys=OLD_KEY):
        named = {"VAULT_DATABASE_URL": url, "VAULT_KEYS": "k", "VAULT_ENCRYPTION_KEYS": keys}
        config = VaultServiceConfig.from_env(named)
        prepare(config)
        self.app: Flask = make_app(config, 8)
        self.storage: Storage = self.app.extensions["storage"]
        self.trips = []
        engine = self.storage._engine
        event.listen(engine, "before_cursor_execute", lambda *given: self.trips.append(given[2].split()[0]))
        for name in ("commit", "rollback"):
            event.listen(engine, name, lambda connection, name=name: self.trips.append(name.upper()))

    def post(self, path, body, key=None):
        headers = {"Authorization": "Bearer k", **({"Idempotency-Key": key} if key else {})}
        self.trips.clear()
        return self.app.test_client().post(path, data=json.dumps(body), headers=headers)

    def get(self, archive_id):
        return self.app.test_client().get(f"{ONE}/{archive_id}", headers={"Authorization": "Bearer k"}).json

    def policy(self, policy_id, days=365):
        body = {"policy_id": policy_id, "name": "n", "retention_days": days, "compliance_level": "standard"}
        assert self.post("/api/v1/policies", body).status_code == 201


@pytest.fixture
def vault(new_database):
    made = Vault(new_database())
    with closing(made.storage):
        yield made


@pytest.fixture
def on_postgresql(postgres):
    made = Vault(postgres.new_database())
    with closing(made.storage):
        made.policy("p")
        made.post(ONE, entry("warm"))
        yield made


def entry(archive_id, said="hello", **more):
    return {"id": archive_id, "session_id": f"s-{archive_id}", "data": {"said": said}, "retention_days": 30, **more}


@pytest.mark.parametrize("key", [None, "key"])
def test_a_single_archive_takes_one_statement_and_one_commit(on_postgresql, key):
    assert on_postgresql.post(ONE, entry("a"), key).status_code == 201
    assert on_postgresql.trips == ["BEGIN", "WITH", "COMMIT"]


@pytest.mark.parametrize("many", [1, 2, 100, 1000])
def test_a_batch_takes_few_round_trips_whatever_its_size_and_what_is_there(on_postgresql, many):
    vault = on_postgresql
    batch = [entry(f"a{n}", policy_id="p") for n in range(many)]
    assert vault.post(BATCH, batch, "key").json["success_count"] == many
    assert vault.trips == ["BEGIN", "WITH", "COMMIT"]
    assert vault.post(BATCH, batch, "key").json["success_count"] == many
    assert vault.trips == ["BEGIN", "WITH", "COMMIT"]
    kept = batch[: max(many - 2, 0)]
    mixed = [entry("new", policy_id="nobody"), *kept, {**batch[0], "data": "other"}]
    told = vault.post(BATCH, mixed, "another key").json
    assert (told["success_count"], len(told["failed"])) == (len(kept) + 1, 1)
    assert len(vault.trips) <= 6
    assert vault.trips.count("COMMIT") == 1


def test_what_is_there_with_the_same_content_is_archived_and_other_content_is_a_conflict(vault):
    vault.post(BATCH, [entry("a"), entry("b")])
    told = vault.post(BATCH, [entry("a"), entry("b", "other"), entry("c"), entry("a", retention_days=31)]).json
    assert told["archived"] == ["a", "c"]
    assert [one["session_id"] for one in told["failed"]] == ["s-b", "s-a"]
    assert {one["error"] for one in told["failed"]} == {"conflict: an archive with this id holds other content"}
    assert vault.get("b")["data"] == {"said": "hello"}


def test_of_two_entries_with_the_same_id_the_first_is_stored(vault):
    told = vault.post(BATCH, [entry("a"), entry("a", "other"), entry("a")], "key").json
    assert (told["archived"], len(told["failed"]), told["success_count"]) == (["a", "a"], 1, 2)
    assert vault.get("a")["data"] == {"said": "hello"}
    assert vault.post(BATCH, [entry("a"), entry("a", "other"), entry("a")], "key").json == told


def test_an_entry_that_was_there_is_confirmed_if_it_is_under_the_policy_and_never_changed(vault):
    vault.policy("p", 60)
    vault.policy("q", 90)
    vault.post(BATCH, [entry("placed", policy_id="p"), entry("plain")])
    told = vault.post(BATCH, [entry("placed", policy_id="p"), entry("plain", policy_id="p")]).json
    assert (told["archived"], told["policies"]) == (["placed", "plain"], {"placed": "p"})
    assert vault.post(BATCH, [entry("placed", policy_id="q")]).json["policies"] == {}
    assert (vault.get("placed")["policy_id"], vault.get("placed")["retention_days"]) == ("p", 60)
    assert "policy_id" not in vault.get("plain")


@pytest.mark.parametrize(("days", "kept"), [(10, 30), (30, 30), (365_000, 365_000)])
def test_an_archive_is_kept_for_its_own_days_or_those_of_its_policy_whichever_are_more(vault, days, kept):
    vault.policy("p", days)
    vault.post(BATCH, [entry("a", policy_id="p"), entry("b", policy_id="p")])
    put = vault.app.test_client().put
    vault.post(ONE, entry("c"))
    put(f"{ONE}/c/policy", data=json.dumps({"policy_id": "p"}), headers={"Authorization": "Bearer k"})
    there = {one: vault.get(one) for one in "abc"}
    assert {one["retention_days"] for one in there.values()} == {kept}
    spans = {one: (told["kept_until"][:10], told["received_at"][:10]) for one, told in there.items()}
    assert spans["a"] == spans["b"] == spans["c"]


def test_what_cannot_be_stored_fails_alone(vault):
    told = vault.post(BATCH, [entry("a"), {"session_id": "bad"}, "text", entry("b", policy_id="")]).json
    assert (told["archived"], len(told["failed"]), told["total"]) == (["a"], 3, 4)


@pytest.mark.parametrize("batch", [[], [{}], ["text"]])
def test_a_batch_of_nothing_that_can_be_stored_is_answered(vault, batch):
    for _ in range(2):
        assert vault.post(BATCH, batch, "key").json["success_count"] == 0


def test_large_archives_that_are_there_are_compared_a_few_at_a_time(vault, monkeypatch):
    monkeypatch.setattr(storing, "_MOST_BYTES", 300)
    batch = [entry(f"a{n}", "x" * n) for n in range(7)]
    vault.post(BATCH, batch)
    vault.trips.clear()
    assert vault.post(BATCH, batch).json["success_count"] == 7
    assert vault.trips.count("SELECT") > 2


def test_a_key_is_for_one_body_on_one_route(vault):
    assert vault.post(ONE, entry("a"), "key").status_code == 201
    for body in (entry("a", "other"), entry("b")):
        refused = vault.post(ONE, body, "key")
        assert (refused.status_code, refused.json["reason"]) == (409, "key_reused")
    assert vault.post(BATCH, [entry("a")], "key").json["success_count"] == 1


def test_a_refused_archive_keeps_no_response(vault):
    vault.post(ONE, entry("a"))
    assert [vault.post(ONE, entry("a", "other"), "key").status_code for _ in range(2)] == [409, 409]
    assert vault.post(ONE, entry("a"), "key").status_code == 201


def test_a_repeat_is_recognized_after_another_key_came_first(vault):
    url = vault.storage._engine.url.render_as_string(hide_password=False)
    first = vault.post(BATCH, [entry("a"), entry("b")], "key").json
    later = Vault(url, f"{new_key()},{OLD_KEY}")
    with closing(later.storage):
        assert later.post(BATCH, [entry("a"), entry("b")], "key").json == first
        assert later.post(BATCH, [entry("a")], "key").status_code == 409


def test_batches_sent_at_once_with_the_same_ids_in_any_order_store_each_once(vault):
    batch = [entry(f"a{n}") for n in range(60)]
    orders = [batch, batch[::-1], batch[30:] + batch[:30], batch[::2] + batch[1::2]]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            told = [one.json for one in pool.map(lambda some: vault.post(BATCH, some), orders)]
            assert [(one["success_count"], one["failed"]) for one in told] == [(60, [])] * 4


def test_requests_sent_at_once_under_one_key_get_one_response(vault):
    with ThreadPoolExecutor(8) as pool:
        told = [*pool.map(lambda _: vault.post(ONE, entry("a"), "key"), range(24))]
    assert {(one.status_code, one.text) for one in told} == {(201, told[0].text)}


@pytest.mark.parametrize("size", [10, 30_000])
def test_archives_that_are_sealed_side_by_side_are_each_what_was_sent(vault, size):
    batch = [entry(f"a{n}", f"{n} " * size) for n in range(20)]
    assert vault.post(BATCH, batch).json["archived"] == [f"a{n}" for n in range(20)]
    assert [vault.get(f"a{n}")["data"] for n in range(20)] == [one["data"] for one in batch]


def before(vault, words, act):
    """Let something happen once, just before a statement that begins with these words."""
    left = [act]

    def note(connection, cursor, statement, *others):
        if statement.startswith(words) and left:
            left.pop()()

    event.listen(vault.storage._engine, "before_cursor_execute", note)


def test_an_archive_that_is_deleted_while_it_is_compared_is_stored(on_postgresql):
    vault = on_postgresql
    other = Vault(vault.storage._engine.url.render_as_string(hide_password=False))

    def delete():
        with closing(other.storage):
            other.storage.write(lambda session: session.execute(text("DELETE FROM archives WHERE archive_id = 'a'")))

    vault.post(ONE, entry("a"))
    before(vault, "SELECT", delete)
    assert vault.post(BATCH, [entry("a")], "key").json["archived"] == ["a"]
    assert vault.get("a")["data"] == {"said": "hello"}


def test_a_response_that_another_process_stores_meanwhile_is_the_one_that_counts(on_postgresql):
    vault = on_postgresql
    other = Vault(vault.storage._engine.url.render_as_string(hide_password=False))
    batch = [entry("a"), entry("b", "other")]
    vault.post(BATCH, [entry("a"), entry("b")])
    said = []
    before(vault, "INSERT INTO answers", lambda: said.append(other.post(BATCH, batch, "key").json))
    with closing(other.storage):
        assert vault.post(BATCH, batch, "key").json == said[0]
    assert vault.trips.count("ROLLBACK") == 1
