"""Builds what the Dockerfile builds, by its own commands, in a directory of this host."""

import re
import shutil
import subprocess
import venv
from pathlib import Path

import pip

ROOT = Path(__file__).parent.parent.parent


def build(home: Path) -> Path:
    """Run the commands of the first stage, and return the environment that the second stage copies."""
    for folder in ("source", "wheels"):
        (home / folder).mkdir()
    copy_context(home / "source")
    make_base(home / "base")
    for command in commands():
        text = command.replace("/opt/mgw", str(home / "mgw")).replace("/wheels", str(home / "wheels"))
        path = f"{home / 'base' / 'bin'}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-euc", f"export PATH={path}; {text}"], cwd=home / "source", capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return home / "mgw"


def make_base(base: Path) -> None:
    """The base image's Python: pip and nothing else. It is copied, for `venv` takes five seconds to install it."""
    venv.create(base, symlinks=True)
    [library] = base.glob("lib/python*/site-packages")
    shutil.copytree(Path(pip.__file__).parent, library / "pip")


def commands() -> list[str]:
    """The RUN instructions of the stage that builds."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    stage = text.partition(" AS build\n")[2].partition("\nFROM ")[0]
    return re.findall(r"^RUN (.*)$", stage, re.MULTILINE)


def copy_context(target: Path) -> None:
    """Copy what .dockerignore lets through: everything is left out that no line takes in again."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    for name in (line[1:] for line in lines if line.startswith("!")):
        found, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(found, copy)
