"""What holds of every test here: the memory of its calls is measured."""

from collections.abc import Iterator

import pytest
from support import fuzzing
from support.lean import Calls

assert fuzzing.LONG  # its profile is registered before the command line asks for it


@pytest.fixture(autouse=True)
def calls_are_measured() -> Iterator[None]:
    before = Calls.count
    yield
    assert Calls.count > before, "this test measures nothing: give it @examples, or @lean"
