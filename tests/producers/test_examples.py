"""Producers without our package: what the documents show is what is kept in `examples/`, and it works."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.embedded import Embedded, finished

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "producers.md").read_text()
SHOWN = {"js": ["node/memory-graph.mjs", "node/example.mjs"], "go": ["go/main.go"]}


def blocks(language: str) -> list[str]:
    """The code blocks of a language in docs/producers.md."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("language", SHOWN)
def test_the_document_shows_the_very_files(language: str) -> None:
    assert blocks(language) == [(ROOT / "examples" / name).read_text() for name in SHOWN[language]]


def test_the_node_example_prints_what_its_comments_say(node: Callable[..., str]) -> None:
    promised = re.findall(r"console\.log\(.*\); // (.*)$", blocks("js")[1], re.MULTILINE)
    assert node("example.mjs").splitlines() == promised == ["active", "30"]
    assert node("example.mjs").splitlines() == promised, "run again, it changes nothing"


def test_plain_celery_sends_without_a_part_of_our_package(stack: Embedded) -> None:
    (program,) = [block for block in blocks("python") if "import Celery" in block]
    check = "\nimport sys\nassert not [name for name in sys.modules if name.startswith('memory_graph')]\n"
    told = finished([sys.executable, "-c", program + check], stack.environ, 0)  # a fork has our package in it
    assert told.stdout == "3\n"
