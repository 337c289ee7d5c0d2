"""Data-Vault alone: archive a session, apply a retention policy to it, and read it back.

Run: VAULT_URL=… VAULT_API_KEY=… python -m memory_graph_workers.examples.vault
"""

from uuid import uuid4

from ..clients.config import VaultConfig
from ..clients.vault import VaultClient
from ..schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy


def main() -> None:
    """Store one archive and one retention policy in the Vault."""
    session_id = f"example-{uuid4()}"
    session_data = {
        "session_id": session_id,
        "prompts": ["prompt1", "prompt2"],
        "responses": ["response1", "response2"],
    }
    with VaultClient(VaultConfig.from_env()) as vault:
        entry = ArchiveEntry(session_id, session_data, 365, tags=["production"], metadata={"user_id": "user-456"})
        archive_id = vault.archive_session(entry).archive_id
        print(f"Archived with ID: {archive_id}")

        policy = RetentionPolicy(
            "HIPAA", 2555, ComplianceLevel.HIPAA, description="7-year retention for healthcare data"
        )
        policy_id = vault.create_retention_policy(policy)
        vault.apply_retention_policy(archive_id, policy_id)
        print(f"Kept under policy: {policy_id}")

        retrieved = vault.retrieve_session(archive_id)
        print(f"Retrieved data: {retrieved.data}")


if __name__ == "__main__":
    main()
