"""What a type checker tells a user who installed the wheel into an environment of their own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.built_wheel import build_wheel, empty_venv
from support.waiting import LONGEST_SECS

HERE = Path(__file__).parent
BIN = Path(sys.prefix) / "bin"
WRONG = {number for number, line in enumerate((HERE / "bad_app.py").read_text().splitlines(), 1) if "# wrong" in line}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: two modules, and a virtual environment that has the wheel, what it needs and celery-types."""
    project = tmp_path_factory.mktemp("project")
    empty_venv(project / ".venv", build_wheel(tmp_path_factory.mktemp("wheel")), "celery-types")
    for name in ("good_app.py", "bad_app.py"):
        shutil.copyfile(HERE / name, project / name)
    return project


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
