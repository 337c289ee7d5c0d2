"""A vault's database on both kinds."""

from contextlib import closing

import pytest
from support.vault_database import VaultDatabase


@pytest.fixture
def database(new_database):
    made = VaultDatabase(new_database())
    with closing(made.storage):
        yield made
