"""What is deleted and what stays, and keys that change while archives stay, on both databases."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.vault import archives as vault_archives
from memory_graph_workers.services.vault import deletions as vault_deletions
from memory_graph_workers.services.vault import policies as vault_policies
from memory_graph_workers.services.vault import rotation as vault_rotation
from memory_graph_workers.services.vault.archives import ArchiveOptions
from memory_graph_workers.services.vault.keys import new_key, read_ring
from memory_graph_workers.services.vault.records import ArchiveRecord, Base
from memory_graph_workers.services.vault.seal import SealOptions
from sqlalchemy import insert, select
from support.waiting import LONGEST_SECS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1000)
OLD, NEW = new_key(), new_key()


class Keeping:
    """A vault's database with its functions, without HTTP."""

    def __init__(self, url):
        self.url = url
        self.storage = Storage(DatabaseUrl().deserialize(url), Base, threads=4)
        self.storage.create()
        self.ring = read_ring([OLD])

    def archive(self, archive_id, policy_id=None, days=365, archived_at=LONG_AGO):
        entry = ArchiveEntry("s", {"said": archive_id}, days, id=archive_id, archived_at=archived_at)
        made = vault_archives.make_draft(
            entry, ArchiveOptions(2**20, SealOptions(encryption=True, compression=True), self.ring)
        )
        self.storage.write(lambda session: vault_archives.store(session, made, self.ring, NOW))
        if policy_id:
            self.apply(archive_id, policy_id)

    def policy(self, policy_id, days=365, *, auto_delete):
        made = RetentionPolicy("p", days, ComplianceLevel.STANDARD, auto_delete, policy_id=policy_id)
        self.storage.write(lambda session: vault_policies.create(session, made, NOW))

    def fill(self, count, policy_id=None):
        """Many expired archives without content, some of which end at the same moment."""
        first, same = self.ring.first, {"session_id": "s", "body": b"untouched", "retention_days": 1, "kept_days": 1}
        same |= {"key_id": first.id, "archived_at": LONG_AGO, "policy_id": policy_id}
        ids = [f"a{number:05}" for number in range(count)]
        rows = [
            {**same, "archive_id": one, "kept_until": NOW - timedelta(days=int(one[1:]) % 7)}
            | {"wrapped_key": first.wrap(b"k" * 32, one)}
            for one in ids
        ]
        self.storage.write(lambda session: session.execute(insert(ArchiveRecord), rows))

    def apply(self, archive_id, policy_id):
        self.storage.write(lambda session: vault_policies.apply(session, archive_id, policy_id))

    def remove(self, archive_id):
        self.storage.write(lambda session: vault_archives.delete(session, archive_id, NOW))

    def expire(self):
        return [one.archive_id for page in vault_deletions.expire(self.storage, NOW) for one in page]

    def ids(self):
        with self.storage.read() as session:
            return set(session.scalars(select(ArchiveRecord.archive_id)))

    def rows(self, *columns):
        with self.storage.read() as session:
            return sorted(tuple(row) for row in session.execute(select(*columns)))


@pytest.fixture
def keeping(new_database):
    made = Keeping(new_database())
    with closing(made.storage):
        yield made


@pytest.fixture
def policies(keeping):
    keeping.policy("deletes", auto_delete=True)
    keeping.policy("keeps", auto_delete=False)
    keeping.policy("deletes-late", days=2000, auto_delete=True)
    return keeping


def test_only_what_has_expired_under_a_policy_that_deletes_is_deleted(policies):
    policies.archive("gone", "deletes")
    policies.archive("gone-at-this-moment", "deletes", archived_at=NOW - timedelta(days=365))
    policies.archive("kept-a-microsecond-more", "deletes", archived_at=NOW - timedelta(days=365, microseconds=-1))
    policies.archive("kept-by-its-own-days", "deletes", days=1001)
    policies.archive("kept-by-policy", "keeps")
    policies.archive("kept-longer-by-policy", "deletes-late")
    policies.archive("kept-without-policy")
    policies.archive("kept-by-the-last-policy", "deletes")
    policies.apply("kept-by-the-last-policy", "keeps")
    assert set(policies.expire()) == {"gone", "gone-at-this-moment"}
    assert {name.partition("-")[0] for name in policies.ids()} == {"kept"}
    assert policies.expire() == []


def test_more_than_a_page_expires(policies):
    policies.fill(1201, policy_id="deletes")
    assert [len(page) for page in vault_deletions.find_expired(policies.storage, NOW)] == [500, 500, 201]
    assert sorted(policies.expire()) == [f"a{number:05}" for number in range(1201)]


def test_looking_deletes_nothing(policies):
    policies.archive("a", "deletes")
    (page,) = vault_deletions.find_expired(policies.storage, NOW)
    assert [(one.archive_id, one.policy_id, one.kept_until) for one in page] == [
        ("a", "deletes", LONG_AGO + timedelta(days=365))
    ]
    assert policies.ids() == {"a"}


def test_each_deletion_is_written_down_with_its_reason(policies):
    policies.archive("expired", "deletes")
    policies.archive("asked-for")
    policies.expire()
    for _ in range(2):
        policies.remove("asked-for")
    found = vault_deletions.latest(policies.storage, 10)
    assert [(one.archive_id, one.policy_id, one.why) for one in found] == [
        ("asked-for", None, "request"),
        ("expired", "deletes", "auto_delete"),
    ]
    assert {(one.session_id, one.archived_at, one.deleted_at) for one in found} == {("s", LONG_AGO, NOW)}
    assert vault_deletions.latest(policies.storage, 10, "another") == []


def test_an_archive_that_a_policy_lengthened_meanwhile_is_not_deleted(policies):
    for name in ("lengthened", "gone"):
        policies.archive(name, "deletes")
    (page,) = vault_deletions.find_expired(policies.storage, NOW)
    policies.apply("lengthened", "deletes-late")
    gone = policies.storage.write(lambda session: vault_deletions.delete_expired(session, page, NOW))
    assert [one.archive_id for one in gone] == ["gone"]
    assert policies.ids() == {"lengthened"}
    assert [one.archive_id for one in vault_deletions.latest(policies.storage, 10)] == ["gone"]


def test_expiring_waits_for_a_policy_that_is_being_applied(policies):
    policies.archive("lengthened", "deletes")
    applied, found = threading.Event(), threading.Event()

    def apply(session):
        vault_policies.apply(session, "lengthened", "deletes-late")
        session.flush()
        applied.set()
        assert found.wait(10)

    thread = threading.Thread(target=policies.storage.write, args=(apply,))
    thread.start()
    assert applied.wait(10)
    (page,) = vault_deletions.find_expired(policies.storage, NOW)
    threading.Timer(0.5, found.set).start()
    gone = policies.storage.write(lambda session: vault_deletions.delete_expired(session, page, NOW))
    thread.join()
    assert (gone, policies.ids()) == ([], {"lengthened"})


def test_two_who_expire_at_once_write_each_deletion_down_once(policies):
    for number in range(300):
        policies.archive(f"a{number}", "deletes")
    threads = [threading.Thread(target=policies.expire) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [one.archive_id for one in vault_deletions.latest(policies.storage, 1000)]
    assert (policies.ids(), len(written), len(set(written))) == (set(), 300, 300)


def test_retention_beyond_the_calendar_is_kept_to_its_end(policies):
    policies.archive("a", "deletes", archived_at=datetime(9000, 1, 1, tzinfo=UTC))
    policies.archive("b", days=365_000, archived_at=datetime(9999, 12, 31, 23, tzinfo=UTC))
    assert {until.year for (until,) in policies.rows(ArchiveRecord.kept_until)} == {9000 + 1, 9999}


def rotate(keeping, *keys):
    pages = list(vault_rotation.rotate(keeping.storage, read_ring(keys)))
    return sum(page.rotated for page in pages), [archive_id for page in pages for archive_id in page.unreadable]


def test_rotation_changes_the_wrapped_keys_and_no_body(keeping):
    for name in ("a", "b", "c"):
        keeping.archive(name)
    before = keeping.rows(ArchiveRecord.archive_id, ArchiveRecord.body)
    assert rotate(keeping, NEW, OLD) == (3, [])
    assert rotate(keeping, NEW, OLD) == (0, [])
    assert keeping.rows(ArchiveRecord.archive_id, ArchiveRecord.body) == before
    assert keeping.rows(ArchiveRecord.key_id) == [(read_ring([NEW]).first.id,)] * 3
    with keeping.storage.read() as session:
        assert '"said":"b"' in vault_archives.retrieve(session, "b", read_ring([NEW]))


def test_what_cannot_be_read_is_named_and_the_rest_is_rotated(keeping):
    third = new_key()
    keeping.archive("lost")
    keeping.ring = read_ring([third])
    for name in ("damaged", "good"):
        keeping.archive(name)
    keeping.storage.write(lambda session: setattr(session.get(ArchiveRecord, "damaged"), "wrapped_key", b"?"))
    rotated, unreadable = rotate(keeping, NEW, third)
    assert (rotated, sorted(unreadable)) == (1, ["damaged", "lost"])
    uses = {
        use.key_id: (use.archives, str(use.state))
        for use in vault_rotation.key_uses(keeping.storage, read_ring([NEW, third]))
    }
    ids = [read_ring([key]).first.id for key in (NEW, third, OLD)]
    assert uses == dict(zip(ids, [(1, "first"), (1, "needed"), (1, "lost")], strict=True))


def test_an_archive_that_is_deleted_or_rotated_meanwhile_is_left_alone(keeping):
    for name in ("stays", "goes"):
        keeping.archive(name)
    pages = vault_rotation._page(keeping.storage, keeping.ring.first.id, "")
    keeping.remove("goes")
    page = vault_rotation._rotate_page(keeping.storage, read_ring([NEW, OLD]), pages)
    again = vault_rotation._rotate_page(keeping.storage, read_ring([NEW, OLD]), pages)
    assert (page.rotated, again.rotated) == (1, 0)


def test_a_rotation_that_is_killed_goes_on_where_it_was(keeping):
    many, first = 20_000, keeping.ring.first
    keeping.fill(many)
    keys = {"VAULT_KEYS": "k", "VAULT_ENCRYPTION_KEYS": f"{NEW},{OLD}", "VAULT_DATABASE_URL": keeping.url}
    environ = {"PATH": os.environ["PATH"], **keys}
    command = [sys.executable, "-m", "memory_graph_workers.cli", "vault", "rotate"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(used(keeping)) < 2:
        pass
    process.kill()
    process.wait()
    done = sum(key_id != first.id for (key_id,) in keeping.rows(ArchiveRecord.key_id))
    assert 0 < done < many
    assert rotate(keeping, NEW, OLD) == (many - done, [])
    assert len(used(keeping)) == 1


def used(keeping):
    with keeping.storage.read() as session:
        return vault_rotation.used_key_ids(session)


def test_keys_can_be_changed_while_the_vault_runs(start):
    keys = {"VAULT_ENCRYPTION_KEYS": f"{NEW},{OLD}"}
    vault = start("vault", VAULT_ENCRYPTION_KEYS=OLD)
    entry = {"id": "a", "session_id": "s", "data": [1], "retention_days": 1}
    first = vault.post("/api/v1/archive", entry, Idempotency_Key="k").text
    vault.stop()
    vault.settings.update(keys)
    vault.start()
    command = [sys.executable, "-m", "memory_graph_workers.cli", "vault", "rotate", "--json"]
    environ = {"PATH": os.environ["PATH"], **vault.settings, "VAULT_DATABASE_URL": vault.database_url}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONGEST_SECS)
    assert (told.returncode, '"rotated": 1' in told.stdout) == (0, True)
    assert vault.get("/api/v1/archive/a").json["data"] == [1]
    vault.stop()
    vault.settings["VAULT_ENCRYPTION_KEYS"] = NEW
    vault.start()
    assert vault.get("/api/v1/archive/a").json["data"] == [1]
    assert vault.post("/api/v1/archive", entry, Idempotency_Key="k").text == first
    assert vault.post("/api/v1/archive", {**entry, "data": [2]}).status == 409
