"""The wheel of this tree, and an empty virtual environment that has it and what it needs, without a network."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def tree() -> list[PurePosixPath]:
    """The files of the repository, those that are not committed yet included: a new one is judged before its commit."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    return [PurePosixPath(name) for name in sorted(set(listed.split("\0"))) if (ROOT / name).is_file()]


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the tree."""
    return wheel_of(_copied_tree(folder), folder / "wheels")


def wheel_of(source: Path, wheels: Path) -> Path:
    """Build the wheel of some sources."""
    build = [*PIP, "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    _run([*build, str(source)])
    return next(wheels.glob("*.whl"))


def build_sdist(folder: Path) -> Path:
    """Build the source distribution of the tree."""
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    _run([sys.executable, "-c", build], cwd=_copied_tree(folder))
    return next(folder.glob("*.tar.gz"))


def _copied_tree(folder: Path) -> Path:
    """The tree in an empty folder: a stale build/lib, or list of sources, would ship what has moved away."""
    source = folder / "source"
    for file in tree():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, source / file)
    return source


def empty_venv(folder: Path, wheel: Path, *more: str) -> Path:
    """A virtual environment with the wheel, the distributions that its metadata asks for, and `more` of them.

    Those are linked from the environment that runs the tests, which has them in the pinned versions.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    _run([*PIP, "--python", str(python), "install", "-q", "--no-index", "--no-deps", str(wheel)])
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (installed,) = distributions(path=[str(packages)])
    for found in _closure([*(installed.requires or ()), *more]):
        for name in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / name).exists():
                (packages / name).symlink_to(Path(str(found.locate_file(name))))
    return folder


def _closure(requirements: Iterable[str]) -> Iterator[Distribution]:
    """Every distribution that these requirements lead to."""
    left, seen = [Requirement(text) for text in requirements], set[str]()
    while left:
        one = left.pop()
        if str(one) in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        seen.add(str(one))
        found = distribution(one.name)
        yield found
        for text in found.requires or ():
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
                inner.marker = None
                left.append(inner)


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
