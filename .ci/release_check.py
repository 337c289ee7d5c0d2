"""Refuses a release that would confuse its users: `TAG=v1.2.3 make release-check` prints every problem."""

import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def problems(tag: str, project: dict[str, object], changelog: str) -> list[str]:
    """What keeps this version from being released under this tag."""
    version, urls = project["version"], project.get("urls")
    found: list[str] = []
    if tag != f"v{version}":
        found.append(
            f"The tag is {tag or 'missing'}, the version {version}. Set `version` in pyproject.toml, or tag v{version}."
        )
    if not re.search(rf"^## {re.escape(str(version))} ", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no section {version}. Rename `## Unreleased` to `## {version} (YYYY-MM-DD)`.")
    if not isinstance(urls, dict) or "Issues" not in urls:
        found.append("pyproject.toml does not say where issues are reported. Add `Issues` to [project.urls].")
    return found


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sys.exit("\n".join(problems(os.environ.get("TAG", ""), project, (ROOT / "CHANGELOG.md").read_text())))
