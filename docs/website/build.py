"""`make docs`: puts the pages together, lets Zensical build the site, and checks what came of it; fetches nothing."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import links
import mermaidx
import pages

HERE = Path(__file__).parent
BUILD = pages.ROOT / "build"
MERMAID = "assets/javascripts/mermaid.min.js"


def main() -> int:
    """Build the site; 1 if anything is wrong with it."""
    for name in ("docs", "site", "api"):
        shutil.rmtree(BUILD / name, ignore_errors=True)
    alerts, packages = pages.put_together(BUILD / "docs")
    settings = (HERE / "zensical.toml").read_text()
    settings = with_pages(settings, "# One page for each alert, out of its chapters.", alerts)
    settings = with_pages(settings, "# The API, out of docstrings.", packages)
    pages.write(BUILD / "zensical.toml", settings)
    pages.write(BUILD / "docs" / MERMAID, files("mermaidx").joinpath("assets", "mermaid.js").read_text())
    link_packages(BUILD / "api" / "memory_graph_workers")
    zensical = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    command = [*zensical, "--config-file", BUILD / "zensical.toml"]
    if subprocess.run(command, cwd=BUILD, check=False).returncode:  # noqa: S603
        return 1
    wrong = [*links.problems(BUILD / "site"), *broken_diagrams()]
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    if not wrong:
        sys.stdout.write(f"The site: {BUILD / 'site' / 'index.html'}\n")
    return int(bool(wrong))


def broken_diagrams() -> Iterator[str]:
    """A line for every diagram that Mermaid cannot draw."""
    for path in sorted((BUILD / "docs").rglob("*.md")):
        for diagram in re.findall(r"^```mermaid\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
            try:
                mermaidx.render(diagram).svg()
            except RuntimeError as error:
                yield f"{path.relative_to(BUILD / 'docs')} has a diagram that cannot be drawn: {error}"


def link_packages(place: Path) -> None:
    """Put the public packages, and nothing else of the repository, where mkdocstrings looks."""
    place.mkdir(parents=True)
    for name in ("__init__.py", *pages.API):
        (place / name).symlink_to(pages.ROOT / name)


def with_pages(settings: str, mark: str, made: list[str]) -> str:
    """The settings with pages in the navigation, where the mark is."""
    if mark not in settings:
        raise LookupError(f"zensical.toml has lost its line {mark!r}: put it back")
    lines = [f'{{ "{Path(path).stem}" = "{path}" }},' for path in made]
    return settings.replace(mark, "\n    ".join(lines))


if __name__ == "__main__":
    sys.exit(main())
