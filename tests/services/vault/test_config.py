"""What the Vault's settings refuse, and that the refusal quotes no secret."""

import pytest
from memory_graph_workers.services.vault.config import VaultServiceConfig


def test_a_wrong_address_is_one_of_the_mistakes_that_are_named() -> None:
    environ = {"VAULT_DATABASE_URL": "postgresql://user:half@SECRET:rest@host/name", "VAULT_KEYS": ""}
    with pytest.raises(ValueError, match="VAULT_DATABASE_URL") as refusal:
        VaultServiceConfig.from_env(environ)
    assert "VAULT_KEYS" in str(refusal.value)
    assert "SECRET" not in str(refusal.value)
