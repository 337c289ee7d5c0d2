"""What the image holds, built once."""

from pathlib import Path

import pytest
from deployment.image import build


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment with the package in it, as the Dockerfile makes it."""
    return build(tmp_path_factory.mktemp("image"))
