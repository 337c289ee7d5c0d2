"""One task for each operation of Data-Vault."""

from ..clients.vault import ARCHIVE, BATCH, ENTRY, POLICY, RECEIPT, VaultClient
from .operation import operation
from .parameters import carry

carry(ENTRY, POLICY, RECEIPT, BATCH, ARCHIVE)

archive_session = operation(VaultClient.archive_session)
batch_archive = operation(VaultClient.batch_archive)
retrieve_session = operation(VaultClient.retrieve_session)
delete_archive = operation(VaultClient.delete_archive)
create_retention_policy = operation(VaultClient.create_retention_policy)
apply_retention_policy = operation(VaultClient.apply_retention_policy)
health_check = operation(VaultClient.health_check, expires=60, max_retries=0, keep_dead_letter=False)
