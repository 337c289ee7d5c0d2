"""The fault matrix; the rows marked `short` run with all other tests, the rest where CHAOS is set (`make chaos`)."""

import os
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
def row() -> Iterator[Callable[..., Row]]:
    """Begins a row of the table, which is kept whatever comes of it."""
    rows: list[Row] = []

    def begin(fault: str, promise: str, how: str, place: int) -> Row:
        rows.append(Row(fault, promise, how, place))
        return rows[-1]

    yield begin
    for one in rows:
        one.write()
