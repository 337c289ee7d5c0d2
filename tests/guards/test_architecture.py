"""docs/architecture.md names every top-level folder, and nothing that is not there."""

import re
from pathlib import Path

import pytest
from support.built_wheel import tree

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:\w+/)*\w+\.(?:py|lua))`", PAGE)))
# `tasks/usage.py` `UsageReporter.report`: a module, and what it defines.
DEFINED = sorted(set(re.findall(r"`([\w/]+\.py)`,?\s+`([A-Za-z_][\w.]*)`", PAGE)))


def test_every_folder_has_one_line() -> None:
    tops = {file.parts[0] for file in tree() if len(file.parts) > 1}
    folders = {f"{top}/" for top in tops if not top.startswith(".")} | {"beat_schedule.py"}
    listed = re.findall(r"^\| `([\w.]+/?)` \| [A-Z].*\.? \|$", PAGE.partition("## The layers")[0], re.MULTILINE)
    assert sorted(listed) == sorted(folders), "the table of docs/architecture.md has one line for each folder"


@pytest.mark.parametrize("path", PATHS)
def test_every_module_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).is_file(), f"docs/architecture.md names {path}, which has moved or gone"


@pytest.mark.parametrize(("path", "name"), DEFINED)
def test_every_name_is_defined_in_its_module(path: str, name: str) -> None:
    text = (ROOT / path).read_text()
    for part in name.split("."):
        assert re.search(rf"\b(def|class) {part}\b", text), f"docs/architecture.md looks for {part} in {path}"


def test_the_layers_of_the_page_are_those_that_are_checked() -> None:
    table = PAGE.partition("| layer | may import |")[2].partition("\n\n")[0]
    checked = (ROOT / "tests" / "guards" / "test_layers.py").read_text()
    layers = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert layers
    assert [layer for layer in layers if f'"{layer}": ' not in checked] == []
