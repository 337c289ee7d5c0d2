"""What the pytest plugin does in a project of somebody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

FORGETS = """
from memory_graph_workers.tasks.registry import get_session

def test_forgets(sent_tasks):
    get_session.delay("s-1")

def test_looks(sent_tasks):
    get_session.delay("s-1")
    sent_tasks.assert_sent(get_session)

def test_sends_nothing(sent_tasks):
    pass
"""
FAILS = """
from memory_graph_workers.tasks.registry import get_session

def test_does_not_look(inline_tasks):
    get_session.delay("none")

def test_looks(inline_tasks):
    get_session.delay("none")
    assert len(inline_tasks.failed) == 1
"""
BARE = """
import sys

def test_nothing_of_ours_is_loaded():
    heavy = {name for name in sys.modules if name.partition(".")[0] in ("celery", "kombu", "redis", "marshmallow")}
    ours = {name for name in sys.modules if name.startswith("memory_graph_workers")}
    assert not heavy
    assert ours == {"memory_graph_workers", "memory_graph_workers.testing", "memory_graph_workers.testing.plugin"}
"""


OTHERS = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")


def run(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one file of tests as its project does; no plugin is named, it is found."""
    (folder / "test_app.py").write_text(code)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", *OTHERS, *arguments]
    # With CI set, pytest would tell each failure whole in its summary, too.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "CI"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def run_here(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str, *arguments: str) -> str:
    """Run one file of tests in this process, which has loaded what they need; return what pytest says."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(test_app=code)
    return pytester.runpytest_inprocess("-q", *OTHERS, *arguments).stdout.str()


def test_a_project_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, BARE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("arguments", "failed"), [((), 0), (("-o", "sent_tasks_strict=true"), 1)])
def test_a_test_that_forgets_to_look_can_be_caught(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], failed: int
) -> None:
    said = run_here(pytester, monkeypatch, FORGETS, *arguments)
    assert ("ERROR test_app.py::test_forgets - Failed: This test sent tasks" in said) == bool(failed)
    assert said.count("get_session(session_id='s-1')") == failed
    assert f"3 passed{', 1 error' * failed}" in said


def test_a_task_that_failed_unseen_fails_the_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run_here(pytester, monkeypatch, FAILS)
    assert "2 passed, 1 error" in said, said
    assert "ERROR test_app.py::test_does_not_look" in said
    assert "memory_graph.registry.get_session (" in said


def test_inline_tasks_say_what_is_not_installed(tmp_path: Path) -> None:
    without = "import sys\nsys.modules['flask'] = None\n" + FAILS
    done = run(tmp_path, without)
    assert "it comes with the extra services" in done.stdout
