"""Prometheus' own programs: the check of what an exporter says, and where to find each of them."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest


def prometheus_program(name: str) -> str:
    """The path of a program of Prometheus; skips the test, or fails it in CI, if it is missing."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is missing, which checks metrics and alerts. On Debian: apt-get install prometheus"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    assert found
    return found


@pytest.fixture
def promtool() -> Callable[[str], str]:
    """What Prometheus' linter says against a text of metrics; empty if nothing."""
    found = prometheus_program("promtool")

    def check(text: str) -> str:
        done = subprocess.run([found, "check", "metrics"], input=text, capture_output=True, text=True)
        return done.stdout + done.stderr

    return check
