"""Which archives expire, and the record of each deletion, on both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.services.vault import archives as vault_archives
from memory_graph_workers.services.vault import deletions as vault_deletions
from memory_graph_workers.services.vault import policies as vault_policies
from memory_graph_workers.services.vault.records import ArchiveRecord
from sqlalchemy import update
from support.vault_database import LONG_AGO, NOW
from support.waiting import LONGEST_SECS


@pytest.fixture
def policies(database):
    database.policy("deletes", auto_delete=True)
    database.policy("keeps", auto_delete=False)
    database.policy("deletes-late", days=2000, auto_delete=True)
    return database


def test_only_what_has_expired_under_a_policy_that_deletes_is_deleted(policies):
    policies.archive("gone", "deletes")
    policies.archive("gone-at-this-moment", "deletes", received_at=NOW - timedelta(days=365))
    policies.archive("kept-a-microsecond-more", "deletes", received_at=NOW - timedelta(days=365, microseconds=-1))
    policies.archive("kept-by-its-own-days", "deletes", days=1001)
    policies.archive("kept-by-policy", "keeps")
    policies.archive("kept-longer-by-policy", "deletes-late")
    policies.archive("kept-without-policy")
    policies.archive("kept-by-the-last-policy", "deletes")
    policies.apply("kept-by-the-last-policy", "keeps")
    assert set(policies.expire()) == {"gone", "gone-at-this-moment"}
    assert {name.partition("-")[0] for name in policies.ids()} == {"kept"}
    assert policies.expire() == []


@pytest.mark.parametrize("said", [datetime(1970, 1, 1, tzinfo=UTC), NOW, datetime(9000, 1, 1, tzinfo=UTC)])
def test_what_is_deleted_depends_on_when_the_vault_received_it_alone(policies, said):
    policies.archive("gone", "deletes", archived_at=said)
    policies.archive("kept", "deletes", received_at=NOW - timedelta(days=364), archived_at=said)
    assert policies.expire() == ["gone"]
    (found,) = vault_deletions.latest(policies.storage, 10)
    assert (found.archived_at, found.received_at) == (said, LONG_AGO)


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
    assert {(one.session_id, one.received_at, one.deleted_at) for one in found} == {("s", LONG_AGO, NOW)}
    assert vault_deletions.latest(policies.storage, 10, "another") == []


def test_an_archive_from_before_receipts_were_kept_counts_from_when_it_says(policies):
    policies.archive("newer", received_at=NOW - timedelta(days=2), archived_at=LONG_AGO)
    said = NOW - timedelta(days=3)
    for name in ("before", "before-that"):
        policies.archive(name, days=1, archived_at=said)
    no_receipt = update(ArchiveRecord).where(ArchiveRecord.archive_id.like("before%")).values(recorded_receipt=None)
    policies.storage.write(lambda session: session.execute(no_receipt))
    policies.apply("before", "deletes")
    with policies.storage.read() as session:
        assert vault_archives.get(session, "before", with_body=True).kept_until == said + timedelta(days=365)
        assert vault_archives.newest_of(session, "s") == "newer"
    policies.remove("before-that")
    (found,) = vault_deletions.latest(policies.storage, 10)
    assert (found.archive_id, found.received_at) == ("before-that", said)


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
        assert found.wait(LONGEST_SECS)

    thread = threading.Thread(target=policies.storage.write, args=(apply,))
    thread.start()
    assert applied.wait(LONGEST_SECS)
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
    policies.archive("a", "deletes", received_at=datetime(9000, 1, 1, tzinfo=UTC))
    policies.archive("b", days=365_000, received_at=datetime(9999, 12, 31, 23, tzinfo=UTC))
    assert {until.year for (until,) in policies.rows(ArchiveRecord.kept_until)} == {9000 + 1, 9999}
