"""Workflows and hooks call the Makefile alone, and a release says what it must."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
BIN = Path(sys.executable).parent
DECISIONS = ROOT / "docs" / "decisions"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "docs" / "architecture.md", *DECISIONS.glob("*.md")]


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from job["steps"]


def refuse_unless_target(command: str) -> None:
    """Fail unless a command is `make TARGET …` and the Makefile has each of them."""
    words = command.split()
    assert words[0] == "make", f"`{command}` is no target of the Makefile"
    done = subprocess.run(["make", "-n", "-C", ROOT, *words[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_workflows_are_as_github_reads_them() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_command_of_a_workflow_is_a_target(workflow: Path) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    for command in commands:
        refuse_unless_target(command)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_version(workflow: Path) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+(\.\d+)*", action)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_but_for_the_job_that_publishes(workflow: Path) -> None:
    read = yaml.safe_load(workflow.read_text())
    assert read["permissions"] == {"contents": "read"}
    own = {name: job["permissions"] for name, job in read["jobs"].items() if "permissions" in job}
    assert own == ({"publish": {"id-token": "write"}} if workflow.name == "release.yml" else {})


def test_ci_runs_every_python_that_the_package_says_it_runs_on() -> None:
    said = re.findall(r":: Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert {name: jobs[name]["strategy"]["matrix"]["python"] for name in ("test", "install")} == {
        "test": said,
        "install": said,
    }


def test_hooks_need_no_other_repository_and_call_the_makefile() -> None:
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    for hook in HOOKS[0]["hooks"]:
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
        refuse_unless_target(hook["entry"])


@pytest.mark.parametrize(
    ("tag", "problem"),
    [("", "The tag is missing"), ("v9.9.9", "The tag is v9.9.9"), (f"v{PROJECT['version']}", None)],
)
def test_a_release_is_refused_under_a_tag_of_another_version(tag: str, problem: str | None) -> None:
    check = [sys.executable, ROOT / ".ci" / "release_check.py"]
    done = subprocess.run(check, env={**os.environ, "TAG": tag}, capture_output=True, text=True)
    assert ("The tag" in done.stderr) == (problem is not None)
    assert (problem or "") in done.stderr
    assert done.returncode == (1 if done.stderr else 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^)]*)\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name} links to {target}, which is not there"
        headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE) if found.is_file() else []
        slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in slugs, f"{page.name} links to {target}#{anchor}, which is no heading"


def test_every_decision_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (DECISIONS / "README.md").read_text()))
    assert linked == {page.name for page in DECISIONS.glob("*.md")} - {"README.md"}, "see docs/decisions/README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_target_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"`(make [a-z][a-z -]*)`", text):
        refuse_unless_target(target)
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[A-Z]\w+\.md|[\w-]+\.(?:py|txt|toml|yml))`", text)
    elsewhere = {"release.yml", "build/site"}  # at GitHub, and what `make docs` writes
    assert [name for name in named if name not in elsewhere and not (ROOT / name).exists()] == []
