"""The real services, a broker and a worker, for all examples."""

from collections.abc import Iterator

import pytest
from support.embedded import Embedded, embedded


@pytest.fixture(scope="session")
def stack() -> Iterator[Embedded]:
    with embedded() as running:
        yield running
