"""The TypeScript types of the Node example are those of the tasks, and a compiler finds mistakes by them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import NODE, ROOT

STRICT = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
TYPES = "memory-graph.d.mts"


@pytest.fixture(scope="module")
def typed(node_folder: Path) -> Path:
    """The folder of the Node example, with its types and a program in TypeScript."""
    shutil.copy(ROOT / "examples" / "node" / TYPES, node_folder)
    shutil.copy(Path(__file__).parent / "types.ts", node_folder / "types.mts")
    return node_folder


@pytest.fixture
def compiler(checks: Path) -> Path:
    """TypeScript's."""
    return checks / "typescript" / "bin" / "tsc"


def compiled(compiler: Path, folder: Path, program: str) -> str:
    """What the compiler says of a program; nothing if all is well."""
    command = [NODE, compiler, *STRICT, program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_the_types_are_those_of_the_tasks() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "node_types.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_program_that_is_right_compiles_and_every_mistake_in_it_is_found(compiler: Path, typed: Path) -> None:
    assert compiled(compiler, typed, "types.mts") == ""


def test_the_compiler_reads_the_types_and_not_just_any(compiler: Path, typed: Path) -> None:
    (typed / "wrong.mts").write_text((typed / "types.mts").read_text().replace("// @ts-expect-error", "//"))
    found = compiled(compiler, typed, "wrong.mts")
    assert found.count("error TS") == 8, found


def test_the_types_name_every_export_of_the_module() -> None:
    module, types = ((ROOT / "examples" / "node" / name).read_text() for name in ("memory-graph.mjs", TYPES))
    for line in module.splitlines():
        if "export " in line:
            name = line.partition("function ")[2].partition("(")[0]
            assert f"export function {name}<" in types
