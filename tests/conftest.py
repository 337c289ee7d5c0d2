"""Makes `tests/support` importable from every test, and says which tests may run side by side."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

# Their tests share a stack, an image or an installation that takes seconds to make: one process runs the folder.
TOGETHER = ("acceptance/fleet", "deployment", "docs", "examples", "faults", "producers")
# Files whose every test starts servers of its own: any process may take any of their tests.
APART = (
    *(f"acceptance/test_{name}.py" for name in ("beat", "hold", "walk")),
    *(f"delivery/test_{name}.py" for name in ("drain", "junk", "lease", "lost_work")),
)
# What takes longest starts first, and what is short fills the gaps at the end.
LONGEST_FIRST = (
    "deployment",
    "acceptance",
    "delivery",
    "docs",
    "producers",
    "services",
    "cli",
    "examples",
    "faults",
    "browser",
)


def pytest_xdist_auto_num_workers() -> int:
    """More processes than processors (`-n auto`): most of these tests wait for other programs."""
    return min(3 * (os.cpu_count() or 2), 12)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test in its lane: those of one lane run in order in one process, lanes run side by side."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(lane_of(item)))
    items.sort(key=place_of)


def lane_of(item: pytest.Item) -> str:
    """Tests that share a database are a lane: a file, and each kind of database of it; or a folder, or one test."""
    path = item.path.relative_to(HERE)
    if str(path.parent) in TOGETHER:
        return str(path.parent)
    if str(path) in APART:
        return item.nodeid
    return "-".join([str(path), *(kind for kind in ("sqlite", "postgresql") if kind in item.name)])


def place_of(item: pytest.Item) -> int:
    """When a test's lane starts."""
    folder = item.path.relative_to(HERE).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
