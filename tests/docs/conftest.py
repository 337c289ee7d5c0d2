"""The real services, a broker and a worker, for what the documents say."""

from collections.abc import Iterator

import pytest
from support.embedded import Embedded, embedded


@pytest.fixture(scope="session")
def stack() -> Iterator[Embedded]:
    with embedded() as running:
        yield running
