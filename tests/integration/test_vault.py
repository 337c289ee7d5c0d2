"""Every operation of a real Data-Vault, once.

An archive is kept for its retention, so what these tests store may stay: five archives for a day, one for a
year (the shortest policy is a year), and one policy. None holds a conversation.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy

TAG = "integration-test"
SHORTEST_DAYS = 1


def entry() -> ArchiveEntry:
    session_id = f"{TAG}-{uuid4()}"
    return ArchiveEntry(session_id, {"session_id": session_id, "prompts": ["é"]}, SHORTEST_DAYS, tags=[TAG])


def deleted(vault: VaultClient, archive_id: str) -> bool:
    """Delete an archive, unless the vault refuses because its retention lasts."""
    try:
        vault.delete_archive(archive_id)
    except Refused:
        return False
    return True


@pytest.fixture
def archived(vault: VaultClient) -> Iterator[ArchiveEntry]:
    """A stored archive, deleted in the end where the vault lets it go before its retention is over."""
    made = entry()
    vault.archive_session(made)
    yield made
    deleted(vault, made.id)


def test_the_vault_is_up(vault: VaultClient) -> None:
    assert vault.health_check()


def test_an_archive_is_read_back_word_for_word(vault: VaultClient, archived: ArchiveEntry) -> None:
    found = vault.retrieve_session(archived.id)
    assert (found.session_id, found.data) == (archived.session_id, archived.data)


def test_an_archive_stored_again_under_the_same_key_is_the_same_archive(vault: VaultClient) -> None:
    made, key = entry(), str(uuid4())
    first = vault.archive_session(made, idempotency_key=key)
    assert vault.archive_session(made, idempotency_key=key) == first
    deleted(vault, made.id)


def test_a_batch_is_stored_entry_by_entry(vault: VaultClient) -> None:
    entries = [entry(), entry()]
    answer = vault.batch_archive(entries)
    assert (answer.archived, answer.success_count) == ([made.id for made in entries], 2)
    for made in entries:
        deleted(vault, made.id)


def test_a_policy_can_be_created_and_applied(vault: VaultClient, archived: ArchiveEntry) -> None:
    days = ComplianceLevel.STANDARD.retention_days
    policy_id = vault.create_retention_policy(RetentionPolicy(TAG, days, ComplianceLevel.STANDARD, tags=[TAG]))
    vault.apply_retention_policy(archived.id, policy_id)
    assert vault.retrieve_session(archived.id).retention_days >= SHORTEST_DAYS


def test_an_archive_is_deleted_or_kept_as_long_as_promised(vault: VaultClient, archived: ArchiveEntry) -> None:
    if deleted(vault, archived.id):
        with pytest.raises(Refused):
            vault.retrieve_session(archived.id)
    else:
        assert vault.retrieve_session(archived.id).data == archived.data
