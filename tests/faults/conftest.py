"""The fault matrix; the rows marked `short` run with all other tests, the rest where CHAOS is set (`make chaos`)."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults.fleet import Fleet, running_fleet
from faults.matrix import Row
from faults.template import make_template


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "short: a row of the fault matrix that runs with all other tests")
    config.addinivalue_line("markers", "proof: a row that must fail, because its mechanism is switched off")
    config.addinivalue_line("markers", "disk(size): how many bytes the test's small disk has")
    config.addinivalue_line("markers", "waits: a row that mostly waits, and can run beside others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.timeout(600))
    left = [item for item in here if not (os.environ.get("CHAOS") or item.get_closest_marker("short"))]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    home = tmp_path_factory.mktemp("template")
    return home, make_template(home)


@pytest.fixture
def fleet(template: tuple[Path, list[str]], tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Makes a fleet; its settings are arguments."""
    with ExitStack() as exits:
        yield lambda **settings: exits.enter_context(running_fleet(tmp_path / "home", *template, **settings))


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """A file system of its own that is soon full; None where this user may not mount one.

    The test says how many bytes it has: `@pytest.mark.disk(BYTES)`.
    """
    size = request.node.get_closest_marker("disk").args[0]
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    yield place if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def row() -> Iterator[Callable[..., Row]]:
    """Begins a row of the table, which is kept whatever comes of it."""
    rows: list[Row] = []

    def begin(fault: str, promise: str, how: str, place: int) -> Row:
        rows.append(Row(fault, promise, how, place))
        return rows[-1]

    yield begin
    for one in rows:
        one.write()
