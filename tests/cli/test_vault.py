"""`mgw vault`: what it prints, asks and refuses, and its exit codes."""

import base64
import json
import os
from contextlib import closing
from datetime import UTC, datetime

import pytest
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.vault import policies as vault_policies
from memory_graph_workers.services.vault import storing
from memory_graph_workers.services.vault.drafts import ArchiveOptions, make_draft
from memory_graph_workers.services.vault.keys import new_key, read_ring
from memory_graph_workers.services.vault.records import Base
from memory_graph_workers.services.vault.seal import SealOptions
from support.forked import mgw

THEN = datetime(2020, 1, 1, tzinfo=UTC)
OLD, NEW = new_key(), new_key()
OLD_ID, NEW_ID = (read_ring([key]).first.id for key in (OLD, NEW))


class Vault:
    """A vault's database with one archive that has expired under a policy that deletes, and one that has not."""

    def __init__(self, folder):
        self.file = folder / "vault.db"
        self.environ = {"PATH": os.environ["PATH"], "VAULT_DATABASE_URL": f"sqlite:///{self.file}", "VAULT_KEYS": "k"}
        policy = RetentionPolicy("p", 365, ComplianceLevel.STANDARD, auto_delete=True, policy_id="deletes")
        with closing(Storage(self.environ["VAULT_DATABASE_URL"], Base)) as storage:
            storage.create()
            storage.write(lambda session: vault_policies.create(session, policy, THEN))
            for name in ("expired", "kept"):
                storage.write(lambda session, name=name: store(session, name))
            storage.write(lambda session: vault_policies.apply(session, "expired", "deletes"))

    def run(self, *arguments, keys=OLD, answer="", **environ):
        environ = {**self.environ, "VAULT_ENCRYPTION_KEYS": keys, **environ}
        return mgw("vault", *arguments, environ=environ, answer=answer)

    def left(self):
        """How many archives there are."""
        return sum(key["archives"] for key in json.loads(self.run("keys", "--json").stdout)["keys"])


def store(session, name):
    entry = ArchiveEntry(f"session-of-{name}", [name], 365, id=name, archived_at=datetime(2019, 1, 1, tzinfo=UTC))
    ring = read_ring([OLD])
    made = make_draft(entry, ArchiveOptions(10_000, SealOptions(encryption=True, compression=True), ring))
    storing.store(session.connection(), [made], ring, THEN)


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def test_a_new_key_is_32_random_bytes(vault):
    printed = [vault.run("new-key").stdout for _ in range(2)]
    assert [len(base64.b64decode(key, validate=False)) for key in printed] == [32, 32]
    assert printed[0] != printed[1]


def test_keys_tells_what_each_key_is_for(vault):
    told = json.loads(vault.run("keys", "--json", keys=f"{NEW},{OLD}").stdout)
    assert [(key["key_id"], key["archives"], key["state"]) for key in told["keys"]] == [
        (NEW_ID, 0, "first"), (OLD_ID, 2, "needed"),
    ]  # fmt: skip
    vault.run("rotate", keys=f"{NEW},{OLD}")
    told = vault.run("keys", keys=f"{NEW},{OLD}")
    assert (told.returncode, "may be removed" in told.stdout) == (0, True)


def test_keys_fails_where_a_key_is_lost_and_names_it(vault):
    told = vault.run("keys", keys=NEW)
    assert told.returncode == 1
    assert OLD_ID in told.stderr


def test_no_command_shows_a_key(vault):
    for arguments in (["keys"], ["keys", "--json"], ["rotate"], ["rotate", "--json"]):
        told = vault.run(*arguments, keys=f"{NEW},{OLD}")
        assert told.stdout
        assert not any(key in told.stdout + told.stderr for key in (OLD, NEW))


def test_rotate_reports_what_it_did(vault):
    told = [json.loads(vault.run("rotate", "--json", keys=f"{NEW},{OLD}").stdout) for _ in range(2)]
    assert told == [{"key_id": NEW_ID, "rotated": count, "unreadable": []} for count in (2, 0)]


def test_rotate_fails_where_an_archive_cannot_be_read(vault):
    told = vault.run("rotate", "--json", keys=NEW)
    assert told.returncode == 1
    assert json.loads(told.stdout) == {"key_id": NEW_ID, "rotated": 0, "unreadable": ["expired", "kept"]}
    assert "mgw vault keys" in told.stderr


def test_a_dry_run_lists_and_deletes_nothing(vault):
    told = json.loads(vault.run("expire", "--dry-run", "--json").stdout)
    assert told == {
        "dry_run": True,
        "count": 1,
        "archives": [
            {
                "archive_id": "expired",
                "session_id": "session-of-expired",
                "policy_id": "deletes",
                "archived_at": "2019-01-01T00:00:00Z",
                "received_at": "2020-01-01T00:00:00Z",
                "kept_until": "2020-12-31T00:00:00Z",
            }
        ],
    }
    assert vault.left() == 2


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 1), ("n\n", 1, 2), ("", 1, 2)])
def test_expire_asks_before_it_deletes(vault, answer, code, left):
    told = vault.run("expire", answer=answer)
    assert "Delete 1 archives for good?" in told.stderr
    assert (told.returncode, vault.left()) == (code, left)
    assert code == 0 or "Nothing was deleted" in told.stderr


def test_what_is_deleted_is_reported_and_written_down(vault):
    told = json.loads(vault.run("expire", "--yes", "--json").stdout)
    assert (told["count"], told["archives"][0]["archive_id"]) == (1, "expired")
    assert vault.left() == 1
    (written,) = json.loads(vault.run("deletions", "--json").stdout)["deletions"]
    assert (written["session_id"], written["why"], written["kept_until"]) == (
        "session-of-expired", "auto_delete", "2020-12-31T00:00:00Z",
    )  # fmt: skip
    assert json.loads(vault.run("deletions", "--json", "--session", "another").stdout) == {"deletions": []}
    assert json.loads(vault.run("expire", "--yes", "--json").stdout)["count"] == 0


def test_expire_goes_by_the_vaults_own_clock(vault):
    before = str((datetime(2020, 6, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds())
    told = vault.run("expire", "--yes", "--json", VAULT_CLOCK_OFFSET_SECS=before)
    assert json.loads(told.stdout)["count"] == 0


def test_json_without_a_decision_is_refused(vault):
    told = vault.run("expire", "--json")
    assert (told.returncode, "Pass --yes to delete, or --dry-run" in told.stderr, vault.left()) == (2, True, 2)


@pytest.mark.parametrize("command", [["keys"], ["rotate"], ["expire", "--yes"], ["deletions"]])
def test_a_database_that_is_not_there_is_refused_and_not_made(vault, tmp_path, command):
    told = vault.run(*command, VAULT_DATABASE_URL=f"sqlite:///{tmp_path}/elsewhere.db")
    assert told.returncode == 2
    assert "Is VAULT_DATABASE_URL" in told.stderr
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_database_that_does_not_answer_is_told_without_a_traceback(vault):
    told = vault.run("keys", VAULT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "does not answer" in told.stderr


def test_wrong_settings_are_named(vault):
    told = vault.run("keys", keys="short", VAULT_KEYS="")
    assert told.returncode == 2
    assert "VAULT_ENCRYPTION_KEYS" in told.stderr
    assert "VAULT_KEYS" in told.stderr
