"""What a type checker tells a user who installed the wheel into an environment of their own.

The user's modules are right and wrong calls, and the programs with this package that README and docs/producers.md show.
"""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support.built_wheel import ROOT, build_wheel, empty_venv
from support.waiting import LONGEST_SECS

pytestmark = pytest.mark.stack

HERE = Path(__file__).parent
BIN = Path(sys.prefix) / "bin"
PAGES = {"README": ROOT / "README.md", "producers": ROOT / "docs" / "producers.md"}
PROGRAMS = {
    f"{name}_{number}_app.py": block
    for name, page in PAGES.items()
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
    if "memory_graph_workers" in block
}
WRONG = {number for number, line in enumerate((HERE / "bad_app.py").read_text().splitlines(), 1) if "# wrong" in line}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: modules, and an environment with the wheel, its needs, celery-types, and what a page adds."""
    project = tmp_path_factory.mktemp("project")
    empty_venv(project / ".venv", build_wheel(tmp_path_factory.mktemp("wheel")), "celery-types", "prometheus-client")
    for name in ("good_app.py", "bad_app.py"):
        shutil.copyfile(HERE / name, project / name)
    for name, program in PROGRAMS.items():
        (project / name).write_text(program)
    return project


@cache
def pyright(project: Path) -> str:
    """Pyright's report, strict."""
    settings = {"typeCheckingMode": "strict", "include": ["*_app.py"], "venvPath": ".", "venv": ".venv"}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    return subprocess.run([BIN / "pyright"], capture_output=True, text=True, timeout=LONGEST_SECS, cwd=project).stdout


def mypy(project: Path) -> str:
    """mypy's report, strict."""
    python = project / ".venv" / "bin" / "python"
    command = [BIN / "mypy", "--strict", "--python-executable", python, "good_app.py", "bad_app.py"]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECS, cwd=project).stdout


@pytest.mark.parametrize("checker", [pyright, mypy])
def test_a_wrong_call_is_marked_and_a_right_one_is_not(project: Path, checker: object) -> None:
    told = checker(project)  # type: ignore[operator]
    marked = {(name, int(line)) for name, line in re.findall(r"(\w+)\.py:(\d+):[\d: -]* error", told)}
    assert marked == {("bad_app", number) for number in WRONG}, told


def test_what_the_pages_show_is_clean_in_a_strict_type_checker(project: Path) -> None:
    assert {name.partition("_")[0] for name in PROGRAMS} == set(PAGES)
    told = pyright(project)
    assert not [line for line in told.splitlines() if any(name in line for name in PROGRAMS)], told
