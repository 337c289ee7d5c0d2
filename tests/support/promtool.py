"""Prometheus' own check of what an exporter says."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

MISSING = "promtool is missing, which checks metrics. On Debian: apt-get install prometheus"


@pytest.fixture
def promtool() -> Callable[[str], str]:
    """What Prometheus' linter says against a text of metrics; empty if nothing."""
    found = shutil.which("promtool")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    assert found

    def check(text: str) -> str:
        done = subprocess.run([found, "check", "metrics"], input=text, capture_output=True, text=True)
        return done.stdout + done.stderr

    return check
