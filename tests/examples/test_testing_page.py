"""docs/testing.md shows the very applications and tests that are run here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", ["fastapi", "flask", "django"])
def test_the_page_shows_the_very_files(name: str) -> None:
    app = (ROOT / "examples" / f"{name}_app.py").read_text()
    assert app.replace("from ..", "from memory_graph_workers.") in BLOCKS  # as a reader writes it
    assert (Path(__file__).parent / f"test_{name}_app.py").read_text() in BLOCKS
