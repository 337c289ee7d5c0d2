"""What holds of every boundary: no example makes the process much larger than it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import fuzzing
from support.peak import MOST_MIB, Peak

assert fuzzing.LONG  # its profile is registered before the command line asks for it

pytestmark = pytest.mark.usefixtures("lean")


@pytest.fixture(autouse=True)
def lean() -> Iterator[None]:
    peak = Peak()
    yield
    assert peak.mib_above() < MOST_MIB, Path("/proc/self/status").read_text()
