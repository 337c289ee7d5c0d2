"""Makes `tests/support` importable from every test, and says which tests may run side by side."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from _pytest.unraisableexception import collect_unraisable
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import support.servers  # noqa: E402, F401  before our app is imported: it reads the environment

# Where this is set, each of several hundred programs would compile all of our modules again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that starts the tests in its background sets it so,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and what a test starts would never notice Ctrl-C

settings.register_profile("no deadline", deadline=None)  # an example that is slow says only that the machine is busy
settings.load_profile("no deadline")

# Their tests share a stack, an image or an installation that takes seconds to make: one process runs the folder.
TOGETHER = ("acceptance/fleet", "deployment", "docs", "examples", "faults", "producers")
# Files whose every test starts servers of its own: any process may take any of their tests.
APART = (
    *(f"acceptance/test_{name}.py" for name in ("beat", "hold", "walk")),
    *(f"delivery/test_{name}.py" for name in ("drain", "junk", "lease", "lost_work", "shop")),
)
# What takes longest starts first, and what is short fills the gaps at the end.
LONGEST_FIRST = (
    "deployment",
    "faults",
    "cli/test_demo.py",
    "acceptance",
    "delivery",
    "benchmarks/test_comparison.py",
    "monitoring",
    "docs",
    "tutorial",
    "producers",
    "services",
    "outbox",
    "cli",
    "tracing",
    "examples",
    "browser",
)


class Lanes(LoadScopeScheduling):
    """Gives whole lanes to processes: tests of one lane run in order in one process, lanes run side by side."""

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    """Run lanes (`--dist loadscope`) in the order of their tests."""
    config.option.loadscopereorder = False
    return Lanes(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_xdist_setupnodes() -> None:
    """In a new clone, compile the tests before all processes would do it side by side, each for itself."""
    if any(HERE.rglob("*-pytest-*.pyc")):
        return
    folders = sorted({str(path.parent) for path in HERE.glob("*/test_*.py")})
    command = [str(Path(sys.executable).with_name("pytest")), "--collect-only", "-qq", "-p", "no:cacheprovider"]
    collecting = [subprocess.Popen([*command, *folders[part::2]], stdout=subprocess.DEVNULL) for part in range(2)]
    for one in collecting:
        one.wait()  # what cannot be collected is told by the run itself


def pytest_xdist_auto_num_workers() -> int:
    """More processes than processors (`-n auto`): most of these tests wait for other programs."""
    return min(4 * (os.cpu_count() or 2), 12)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest lanes first."""
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_collection_finish() -> None:
    """Spare the collections of garbage below what was imported and collected: it lives to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Collect garbage after a file's last test: what it left open is told there, and not in a test of another file."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        collect_unraisable(item.config)  # else the next test is blamed: pytest has looked already


def lane_of(nodeid: str) -> str:
    """The lane of a test: its folder, its file and the kind of database that it needs, or the test by itself."""
    path = _path(nodeid)
    if str(path.parent) in TOGETHER:
        return str(path.parent)
    if str(path) in APART:
        return nodeid
    return "-".join([str(path), *(kind for kind in ("sqlite", "postgresql") if kind in nodeid)])


def place_of(nodeid: str) -> int:
    """When a test's lane starts."""
    path = str(_path(nodeid))
    return next((place for place, start in enumerate(LONGEST_FIRST) if path.startswith(start)), len(LONGEST_FIRST))


def _path(nodeid: str) -> PurePosixPath:
    """A test's file, from the folder of all tests on."""
    return PurePosixPath(nodeid.partition("::")[0].removeprefix("tests/"))
