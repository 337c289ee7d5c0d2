"""What a database's URL must be, and that a refusal quotes nothing of it."""

import pytest
from marshmallow import ValidationError
from memory_graph_workers.services.database.config import DatabaseUrl


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
