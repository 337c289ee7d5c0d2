"""Master keys that change while the archives stay, on both databases."""

import os
import subprocess
import sys

from memory_graph_workers.services.vault import archives as vault_archives
from memory_graph_workers.services.vault import rotation as vault_rotation
from memory_graph_workers.services.vault.keys import new_key, read_ring
from memory_graph_workers.services.vault.records import ArchiveRecord
from support.forked import mgw
from support.vault_database import OLD_KEY

NEW_KEY = new_key()


def rotate(database, *keys):
    pages = list(vault_rotation.rotate(database.storage, read_ring(keys)))
    return sum(page.rotated for page in pages), [archive_id for page in pages for archive_id in page.unreadable]


def test_rotation_changes_the_wrapped_keys_and_no_body(database):
    for name in ("a", "b", "c"):
        database.archive(name)
    before = database.rows(ArchiveRecord.archive_id, ArchiveRecord.body)
    assert rotate(database, NEW_KEY, OLD_KEY) == (3, [])
    assert rotate(database, NEW_KEY, OLD_KEY) == (0, [])
    assert database.rows(ArchiveRecord.archive_id, ArchiveRecord.body) == before
    assert database.rows(ArchiveRecord.key_id) == [(read_ring([NEW_KEY]).first.id,)] * 3
    with database.storage.read() as session:
        assert '"said":"b"' in vault_archives.retrieve(session, "b", read_ring([NEW_KEY]))


def test_what_cannot_be_read_is_named_and_the_rest_is_rotated(database):
    third = new_key()
    database.archive("lost")
    database.ring = read_ring([third])
    for name in ("damaged", "good"):
        database.archive(name)
    database.storage.write(lambda session: setattr(session.get(ArchiveRecord, "damaged"), "wrapped_key", b"?"))
    rotated, unreadable = rotate(database, NEW_KEY, third)
    assert (rotated, sorted(unreadable)) == (1, ["damaged", "lost"])
    uses = {
        use.key_id: (use.archives, str(use.state))
        for use in vault_rotation.key_uses(database.storage, read_ring([NEW_KEY, third]))
    }
    ids = [read_ring([key]).first.id for key in (NEW_KEY, third, OLD_KEY)]
    assert uses == dict(zip(ids, [(1, "first"), (1, "needed"), (1, "lost")], strict=True))


def test_an_archive_that_is_deleted_or_rotated_meanwhile_is_left_alone(database):
    for name in ("stays", "goes"):
        database.archive(name)
    pages = vault_rotation._page(database.storage, database.ring.first.id, "")
    database.remove("goes")
    page = vault_rotation._rotate_page(database.storage, read_ring([NEW_KEY, OLD_KEY]), pages)
    again = vault_rotation._rotate_page(database.storage, read_ring([NEW_KEY, OLD_KEY]), pages)
    assert (page.rotated, again.rotated) == (1, 0)


def test_a_rotation_that_is_killed_goes_on_where_it_was(database):
    many, first = 8_000, database.ring.first
    database.fill(many)
    keys = {"VAULT_KEYS": "k", "VAULT_ENCRYPTION_KEYS": f"{NEW_KEY},{OLD_KEY}", "VAULT_DATABASE_URL": database.url}
    environ = {"PATH": os.environ["PATH"], **keys}
    command = [sys.executable, "-m", "memory_graph_workers.cli", "vault", "rotate"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(used(database)) < 2:
        pass
    process.kill()
    process.wait()
    done = sum(key_id != first.id for (key_id,) in database.rows(ArchiveRecord.key_id))
    assert 0 < done < many
    assert rotate(database, NEW_KEY, OLD_KEY) == (many - done, [])
    assert len(used(database)) == 1


def used(database):
    with database.storage.read() as session:
        return vault_rotation.used_key_ids(session)


def test_keys_can_be_changed_while_the_vault_runs(start):
    keys = {"VAULT_ENCRYPTION_KEYS": f"{NEW_KEY},{OLD_KEY}"}
    vault = start("vault", VAULT_ENCRYPTION_KEYS=OLD_KEY)
    entry = {"id": "a", "session_id": "s", "data": [1], "retention_days": 1}
    first = vault.post("/api/v1/archive", entry, Idempotency_Key="k").text
    vault.stop()
    vault.settings.update(keys)
    vault.start()
    environ = {"PATH": os.environ["PATH"], **vault.settings, "VAULT_DATABASE_URL": vault.database_url}
    told = mgw("vault", "rotate", "--json", environ=environ)
    assert (told.returncode, '"rotated": 1' in told.stdout) == (0, True)
    assert vault.get("/api/v1/archive/a").json["data"] == [1]
    vault.stop()
    vault.settings["VAULT_ENCRYPTION_KEYS"] = NEW_KEY
    vault.start()
    assert vault.get("/api/v1/archive/a").json["data"] == [1]
    assert vault.post("/api/v1/archive", entry, Idempotency_Key="k").text == first
    assert vault.post("/api/v1/archive", {**entry, "data": [2]}).status == 409
