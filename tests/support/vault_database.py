"""A vault's database and the functions that work on it, without HTTP."""

from datetime import UTC, datetime, timedelta

from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.vault import archives as vault_archives
from memory_graph_workers.services.vault import deletions as vault_deletions
from memory_graph_workers.services.vault import policies as vault_policies
from memory_graph_workers.services.vault.drafts import ArchiveOptions, make_draft
from memory_graph_workers.services.vault.keys import new_key, read_ring
from memory_graph_workers.services.vault.records import ArchiveRecord, Base
from memory_graph_workers.services.vault.seal import SealOptions
from memory_graph_workers.services.vault.storing import store
from sqlalchemy import insert, select

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1000)
OLD_KEY = new_key()


class VaultDatabase:
    """A vault's database and the functions that work on it; archives are sealed with `OLD_KEY`."""

    def __init__(self, url):
        self.url = url
        self.storage = Storage(DatabaseUrl().deserialize(url), Base, threads=4)
        self.storage.create()
        self.ring = read_ring([OLD_KEY])

    def archive(self, archive_id, policy_id=None, days=365, received_at=LONG_AGO, archived_at=LONG_AGO):
        entry = ArchiveEntry("s", {"said": archive_id}, days, id=archive_id, archived_at=archived_at)
        made = make_draft(entry, ArchiveOptions(2**20, SealOptions(encryption=True, compression=True), self.ring))
        self.storage.write(lambda session: store(session.connection(), [made], self.ring, received_at))
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
