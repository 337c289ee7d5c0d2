"""What the services' settings refuse, and that the refusal quotes no secret."""

import pytest
from marshmallow import ValidationError
from memory_graph_workers.services.config import DatabaseUrl, VaultServiceConfig


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:half@SECRET:rest@host/name",
        "postgresql://user:SECRET@host:port/name",
        "mysql://user:SECRET@host/name",
        "SECRET",
    ],
)
def test_an_address_that_is_none_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValidationError, match="%40") as refusal:
        DatabaseUrl().deserialize(url)
    assert "SECRET" not in str(refusal.value)


def test_a_wrong_address_is_one_of_the_mistakes_that_are_named() -> None:
    environ = {"VAULT_DATABASE_URL": "postgresql://user:half@SECRET:rest@host/name", "VAULT_KEYS": ""}
    with pytest.raises(ValueError, match="VAULT_DATABASE_URL") as refusal:
        VaultServiceConfig.from_env(environ)
    assert "VAULT_KEYS" in str(refusal.value)
    assert "SECRET" not in str(refusal.value)
