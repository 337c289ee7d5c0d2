"""A release that is out, built from its tag into an environment of its own."""

import subprocess
from pathlib import Path

from support.built_wheel import ROOT, empty_venv, wheel_of

TAG = "v0.1.0"
_MORE = ("apispec", "click", "grpcio", "packaging", "protobuf", "rich")  # what its extras `cli` and `graph` name


def is_here() -> bool:
    """Whether this clone has the tag."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "-q", "--verify", f"{TAG}^{{commit}}"]
    return subprocess.run(asked, capture_output=True).returncode == 0


def interpreter(folder: Path) -> str:
    """Build its wheel, install it, and return its Python; its dependencies are those that are installed here."""
    source = folder / "source"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", TAG], check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", str(source)], input=archive.stdout, check=True)
    return str(empty_venv(folder / "environment", wheel_of(source, folder / "wheels"), *_MORE) / "bin" / "python")
