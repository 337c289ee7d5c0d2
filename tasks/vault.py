"""One task for each operation of Data-Vault."""

from ..clients.vault import ARCHIVE, BATCH, ENTRY, POLICY, RECEIPT, VaultClient
from ..schemas import calls, results
from .operation import operation
from .parameters import payloads

payloads(ENTRY, POLICY, RECEIPT, BATCH, ARCHIVE)

archive_session = operation(
    VaultClient.archive_session, fields=calls.archive_entry, returns=results.ArchiveResponseDict
)
batch_archive = operation(VaultClient.batch_archive, returns=results.BatchArchiveResponseDict)
retrieve_session = operation(VaultClient.retrieve_session, returns=results.RetrievedArchiveDict)
delete_archive = operation(VaultClient.delete_archive)
create_retention_policy = operation(VaultClient.create_retention_policy, fields=calls.retention_policy)
apply_retention_policy = operation(VaultClient.apply_retention_policy)
health_check = operation(VaultClient.health_check, expires=60, max_retries=0, keep_dead_letter=False)
