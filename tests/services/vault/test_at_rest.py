"""What is in the Vault's database, read as a thief would read it, and what happens to whoever tampers with it."""

import base64
import hashlib
import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.engines import BEGIN, WRITING, service_engine
from memory_graph_workers.services.vault.keys import new_key, read_ring
from sqlalchemy import text
from support.forked import SERVICES, finished
from zstandard import FRAME_HEADER

DATA, TAG, METADATA = "word-of-the-data", "word-of-a-tag", "word-of-the-metadata"
WORDS = (DATA, TAG, METADATA)
SWITCHES = ("true", "false")


def entry(archive_id, **others):
    details = {"tags": [TAG], "metadata": {"patient": METADATA}}
    return {"id": archive_id, "session_id": "s", "data": {"said": DATA}, "retention_days": 30, **details, **others}


def archive(vault, archive_id, encryption="true", compression="true", **others):
    switches = {"X_Encryption_Enabled": encryption, "X_Compression_Enabled": compression}
    return vault.post("/api/v1/archive", entry(archive_id), **switches, **others)


def stored(vault):
    """Every byte of the database's files, what is not yet in SQLite's main one included."""
    if vault.database_url.startswith("sqlite"):
        folder = Path(vault.database_url.removeprefix("sqlite:///")).parent
    else:
        with database(vault) as connection:
            connection.execute(text("CHECKPOINT"))
            number = "SELECT oid FROM pg_database WHERE datname = current_database()"
            home, oid = connection.execute(text(f"SELECT current_setting('data_directory'), ({number})")).one()
        folder = Path(home, "base", str(oid))
    return b"".join(path.read_bytes() for path in folder.iterdir())


@contextmanager
def database(vault):
    url = DatabaseUrl().deserialize(vault.database_url)
    engine = service_engine(url, "vault", 1).execution_options(**{BEGIN: WRITING})
    with engine.connect() as connection:
        yield connection
        connection.commit()
    engine.dispose()


def change(vault, statement, **values):
    with database(vault) as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def row(vault, archive_id):
    query = text("SELECT body, key_id, wrapped_key FROM archives WHERE archive_id = :id")
    with database(vault) as connection:
        body, key_id, wrapped_key = connection.execute(query, {"id": archive_id}).one()
        return bytes(body), key_id, bytes(wrapped_key)


def restart(vault, *keys):
    vault.stop()
    vault.settings["VAULT_ENCRYPTION_KEYS"] = ",".join(keys)
    vault.start()


def test_the_database_holds_no_word_of_the_content(start, new_id):
    vault = start("vault")
    assert archive(vault, new_id, Idempotency_Key="k1").status == 201
    assert vault.post("/api/v1/archive/batch", [entry("b1"), entry("b2")], Idempotency_Key="k2").status == 200
    found = [word for word in WORDS if word.encode() in stored(vault)]
    assert (new_id.encode() in stored(vault), found) == (True, [])


def test_the_database_holds_no_digest_by_which_to_try_guesses(start):
    vault, body = start("vault"), json.dumps(entry("a"))
    vault.post("/api/v1/archive", body, Idempotency_Key="k")
    canonical = json.dumps({"said": DATA}, separators=(",", ":"))
    for guess in (body, canonical, DATA):
        digest = hashlib.sha256(guess.encode())
        assert digest.digest() not in stored(vault)
        assert digest.hexdigest().encode() not in stored(vault)


@pytest.mark.parametrize("compression", SWITCHES)
@pytest.mark.parametrize("encryption", SWITCHES)
def test_an_archive_is_kept_as_its_headers_ask(vault, new_id, encryption, compression):
    assert archive(vault, new_id, encryption, compression).status == 201
    body = row(vault, new_id)[0]
    assert (DATA.encode() in body) is (encryption == compression == "false")
    assert (FRAME_HEADER in body) is (encryption == "false" and compression == "true")
    kept = vault.get(f"/api/v1/archive/{new_id}").json
    assert (kept["data"], kept["tags"], kept["metadata"]) == ({"said": DATA}, [TAG], {"patient": METADATA})


@pytest.mark.parametrize("again", SWITCHES)
def test_the_same_content_kept_another_way_is_the_same(vault, new_id, again):
    first = archive(vault, new_id, "false", "true")
    assert archive(vault, new_id, "true", again).text == first.text


@pytest.mark.parametrize("encryption", SWITCHES)
def test_what_was_tampered_with_is_refused_and_never_given_out(vault, new_id, encryption):
    archive(vault, new_id, encryption)
    body = bytearray(row(vault, new_id)[0])
    body[-1] ^= 1
    change(vault, "UPDATE archives SET body = :body WHERE archive_id = :id", body=bytes(body), id=new_id)
    answer = vault.get(f"/api/v1/archive/{new_id}")
    assert (answer.status, answer.json["message"]) == (500, "The stored archive is damaged: restore it from a backup.")
    assert '"error": "Damaged"' in vault.logged()


@pytest.mark.parametrize("column", [{"session_id": "other"}, {"wrapped_key": b""}, {"body": b"\1"}])
def test_a_row_that_was_changed_is_refused(vault, new_id, column):
    archive(vault, new_id)
    (name,) = column
    change(vault, f"UPDATE archives SET {name} = :{name} WHERE archive_id = :id", id=new_id, **column)
    assert vault.get(f"/api/v1/archive/{new_id}").status == 500


def test_content_moved_to_another_archive_is_refused(vault, new_id):
    archive(vault, new_id)
    archive(vault, f"{new_id}-2")
    body, key_id, wrapped_key = row(vault, new_id)
    move = "UPDATE archives SET body = :body, key_id = :key_id, wrapped_key = :wrapped_key WHERE archive_id = :id"
    change(vault, move, body=body, key_id=key_id, wrapped_key=wrapped_key, id=f"{new_id}-2")
    assert vault.get(f"/api/v1/archive/{new_id}-2").status == 500


def test_a_damaged_archive_fails_alone_in_a_batch(vault, new_id):
    archive(vault, new_id)
    change(vault, "UPDATE archives SET body = :body WHERE archive_id = :id", body=b"", id=new_id)
    answer = vault.post("/api/v1/archive/batch", [entry(new_id), entry(f"{new_id}-2")]).json
    assert answer["archived"] == [f"{new_id}-2"]
    assert "damaged" in answer["failed"][0]["error"]


def test_an_archive_whose_key_is_not_there_names_the_key(vault, new_id):
    archive(vault, new_id)
    change(vault, "UPDATE archives SET key_id = 'feedfacefeedface' WHERE archive_id = :id", id=new_id)
    answer = vault.get(f"/api/v1/archive/{new_id}")
    change(vault, "DELETE FROM archives WHERE archive_id = :id", id=new_id)
    assert answer.status == 500
    assert answer.json["message"] == (
        "The archive needs the key feedfacefeedface: add it to VAULT_ENCRYPTION_KEYS of this vault."
    )


def test_a_new_key_in_front_leaves_the_old_archives_readable_and_every_repeat_a_repeat(start):
    old, new = new_key(), new_key()
    vault = start("vault", VAULT_ENCRYPTION_KEYS=old)
    first = archive(vault, "a", Idempotency_Key="k")
    restart(vault, new, old)
    assert vault.get("/api/v1/archive/a").json["data"] == {"said": DATA}
    assert archive(vault, "a", Idempotency_Key="k").text == first.text
    assert archive(vault, "a").text == first.text
    assert vault.post("/api/v1/archive", entry("b"), Idempotency_Key="k").status == 409
    archive(vault, "b")
    assert [row(vault, name)[1] for name in "ab"] == [read_ring([key]).first.id for key in (old, new)]


def test_an_answer_kept_under_a_key_that_is_gone_is_made_anew(start):
    old, new = new_key(), new_key()
    vault = start("vault", VAULT_ENCRYPTION_KEYS=old)
    policy = {"policy_id": "p", "name": "p", "retention_days": 400, "compliance_level": "standard"}
    first = vault.post("/api/v1/policies", policy, Idempotency_Key="k")
    restart(vault, new)
    for _ in range(2):
        assert vault.post("/api/v1/policies", policy, Idempotency_Key="k").text == first.text
    assert vault.post("/api/v1/policies", {**policy, "policy_id": "q"}, Idempotency_Key="k").status == 409


def begin(vault, keys):
    environ = {"VAULT_DATABASE_URL": vault.database_url, "VAULT_KEYS": "k", "VAULT_ENCRYPTION_KEYS": keys}
    return finished(SERVICES, ["vault", "--port", str(vault.port)], environ)


def test_a_vault_that_lacks_a_key_of_its_archives_does_not_start_and_names_it(start):
    old = new_key()
    vault = start("vault", VAULT_ENCRYPTION_KEYS=old)
    archive(vault, "a")
    vault.stop()
    ended = begin(vault, new_key())
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert read_ring([old]).first.id in ended.stderr
    assert "VAULT_ENCRYPTION_KEYS" in ended.stderr


def test_wrong_keys_are_all_named_at_start_and_never_shown(start):
    vault = start("vault")
    vault.stop()
    short = base64.b64encode(b"short").decode()
    ended = begin(vault, f"hush-hush,{short},{vault.settings['VAULT_ENCRYPTION_KEYS']}")
    assert ended.returncode == 2
    assert "VAULT_ENCRYPTION_KEYS" in ended.stderr
    assert "Key 1 is not base64. Key 2 has 5 bytes" in ended.stderr
    assert "mgw vault new-key" in ended.stderr
    assert "hush" not in ended.stderr
    assert short not in ended.stderr
