"""The wheel holds every module and data file of the tree; the lists that are kept by hand name all of them."""

import tarfile
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from support.built_wheel import ROOT, build_sdist, build_wheel, tree

PACKAGE = "memory_graph_workers"
# What only the repository needs. Any other folder is the package's: its files belong in the wheel and in the image.
NOT_SHIPPED = {"benchmarks", "deploy", "docs", "tests"}
# Programs in other languages: docs/producers.md shows them, no Python imports them.
OTHER_LANGUAGES = {"examples/go", "examples/node"}
BUILD_FILES = {"pyproject.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT", "deploy/build.txt", "deploy/runtime.txt"}

TREE = tree()
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def is_shipped(file: PurePosixPath) -> bool:
    if len(file.parts) == 1:
        return file.suffix == ".py" or file.name == "py.typed"
    top = file.parts[0]
    return not (top in NOT_SHIPPED or top.startswith(".") or any(file.is_relative_to(one) for one in OTHER_LANGUAGES))


SHIPPED = {str(file) for file in TREE if is_shipped(file)}


def dotted(folder: PurePosixPath) -> str:
    return ".".join((PACKAGE, *folder.parts))


@pytest.fixture(scope="module")
def in_wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the wheel."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_what_the_tree_holds(in_wheel: set[str]) -> None:
    wanted = {f"{PACKAGE}/{name}" for name in SHIPPED}
    lacks = sorted(wanted - in_wheel)
    assert not lacks, f"add to `packages` or `package-data` of [tool.setuptools] in pyproject.toml: {lacks}"
    assert not in_wheel - wanted, "the wheel holds what is not the package's; name its folder in NOT_SHIPPED"


def test_the_source_distribution_holds_it_too(tmp_path: Path) -> None:
    with tarfile.open(build_sdist(tmp_path)) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert not SHIPPED - held, "a wheel that is built from the source distribution would lack them"


def test_every_sub_package_is_listed() -> None:
    found = {dotted(PurePosixPath(name).parent) for name in SHIPPED if name.endswith("__init__.py")}
    listed = SETUPTOOLS["packages"]
    lacks = sorted(found - set(listed))
    assert not lacks, f"add to `packages` of [tool.setuptools] in pyproject.toml: {lacks}"
    assert not set(listed) - found, "`packages` of [tool.setuptools] in pyproject.toml names a folder without modules"
    assert listed == sorted(listed), "keep `packages` in pyproject.toml in order"


def test_every_pattern_of_package_data_matches_a_file() -> None:
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        idle = [pattern for pattern in patterns if not any(folder.glob(pattern))]
        assert not idle, f"`package-data` of [tool.setuptools] in pyproject.toml, {package}: nothing matches {idle}"


def test_a_folder_of_modules_is_a_package() -> None:
    folders = {PurePosixPath(name).parent for name in SHIPPED if name.endswith(".py")}
    # Alembic reads revisions as files, so that two services may each have one of the same name.
    bare = sorted(
        str(one) for one in folders if f"{one}/__init__.py".removeprefix("./") not in SHIPPED and one.name != "versions"
    )
    assert not bare, f"an __init__.py is missing in {bare}"


def test_the_image_is_built_from_exactly_what_the_wheel_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    wanted = BUILD_FILES | {PurePosixPath(name).parts[0] for name in SHIPPED}
    lacks = sorted(wanted - let_in)
    assert not lacks, f"add to .dockerignore, each after an exclamation mark: {lacks}"
    assert not let_in - wanted, "the .dockerignore lets in what no build needs"
