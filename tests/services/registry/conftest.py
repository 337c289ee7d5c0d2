"""Fixtures of the Registry's tests."""

import pytest
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry.records import Base


@pytest.fixture
def storage(new_database):
    """The Registry's storage over an empty database, without its service."""
    made = Storage(DatabaseUrl().deserialize(new_database()), Base)
    made.create()
    yield made
    made.close()
