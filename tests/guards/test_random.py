"""Tests that draw examples get all that is random from hypothesis, so that an example can be repeated."""

import re
from pathlib import Path


def test_no_test_that_draws_examples_uses_random() -> None:
    # hypothesis' own warning of this is ignored (pyproject.toml), because other threads cause it, too
    texts = {path.name: path.read_text() for path in Path(__file__).parents[1].rglob("*.py")}
    drawing = [name for name, text in texts.items() if "\nfrom hypothesis " in text]
    assert len(drawing) > 10
    assert not [name for name in drawing if re.search(r"^(import|from) random\b", texts[name], re.MULTILINE)]
