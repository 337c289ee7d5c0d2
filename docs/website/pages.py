"""The pages of the site: those of the repository, and all that they link to, at the paths that they have in it.

So a relative link means the same in both. Three kinds of pages are made: one for each alert, out of the chapters of the
runbook; one for each package, out of its docstrings; and a list of files for each folder that a page links to.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
RUNBOOK = DOCS / "runbook.md"
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")), *DOCS.rglob("*.md")]
CHAPTER = re.compile(r"^## (Mgw\w+)\n\n(.*?)\n(?:\n(.*?))?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)\s#]*)(#[^)\s]*)?(?=\))")
# A package, what its page says first, and the modules whose docstrings follow.
API = {
    "tasks": ("What applications enqueue with, beside the tasks themselves.", ("tasks.usage", "tasks.bulk")),
    "clients": (
        "The clients of the services. A task has the parameters of the method that has its name.",
        ("clients.registry", "clients.vault", "clients.memory_graph", "clients.config", "clients.errors"),
    ),
    "schemas": (
        "Payloads, and what services respond.",
        ("schemas.registry", "schemas.usage", "schemas.vault", "schemas.base"),
    ),
    "delivery": ("Delivery for any Celery app.", ("delivery",)),
    "outbox": ("Tasks that are sent once your own transaction is committed.", ("outbox",)),
    "testing": ("A test kit for applications that enqueue.", ("testing",)),
}


def put_together(target: Path) -> tuple[list[str], list[str]]:
    """Write everything below `target`; returns the paths of the alerts' pages and of the packages'."""
    waiting, done = list(PAGES), set[Path]()
    while waiting:
        path = waiting.pop().resolve()
        if path not in done:
            done.add(path)
            waiting += copied(path, target / path.relative_to(ROOT))
    made = [dict(alerts(RUNBOOK.read_text())), dict(packages())]
    for name, text in {**made[0], **made[1]}.items():
        write(target / name, text)
    return list(made[0]), list(made[1])


def copied(path: Path, copy: Path) -> list[Path]:
    """Copy a file, or list a folder; returns what the copy links to."""
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and one.name != "__init__.py")
        lines = [f"- [{one.name}]({one.name})" for one in files]
        write(copy / "index.md", "\n".join([f"# {path.relative_to(ROOT)}", "", *lines, ""]))
        return files
    if path.suffix != ".md":
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        return []
    text = path.read_text()
    write(copy, fitted(shortened(text) if path == RUNBOOK else text, path.parent))
    linked = [path.parent / name for name, _ in LINK.findall(FENCE.sub("", text)) if name]
    return [one for one in linked if one.exists()]  # Zensical says which is not there, and where it is linked to


def fitted(text: str, folder: Path) -> str:
    """A page as the site's Markdown wants it: a link to a folder leads to its list, and a table stands by itself."""

    def to_file(link: re.Match[str]) -> str:
        return f"{link[1].rstrip('/')}/index.md" if link[1] and (folder / link[1]).is_dir() else link[0]

    return re.sub(r"(?<=-->)\n(?=\|)", "\n\n", LINK.sub(to_file, text))


def shortened(runbook: str) -> str:
    """The runbook with the headings of its chapters, which links know, and what each alert means."""
    return CHAPTER.sub(r"## \1\n\n\2\n\n[Where to look, and what to do](runbook/\1.md)\n\n", runbook)


def alerts(runbook: str) -> Iterator[tuple[str, str]]:
    """A page for each chapter of the runbook; links lead from one folder below it."""

    chapters = CHAPTER.findall(runbook)
    by_heading = {f"#{name.lower()}": f"{name}.md" for name, *_ in chapters}

    def one_up(link: re.Match[str]) -> str:
        return f"../{link[0]}" if link[1] else by_heading[link[0]]

    for name, *parts in chapters:
        yield f"docs/runbook/{name}.md", LINK.sub(one_up, "\n\n".join([f"# {name}", *parts]))


def packages() -> Iterator[tuple[str, str]]:
    """A page for each public package, which mkdocstrings fills."""
    for package, (first, modules) in API.items():
        shown = [f"::: memory_graph_workers.{module}" for module in modules]
        yield f"docs/api/{package}.md", "\n\n".join([f"# memory_graph_workers.{package}", first, *shown, ""])


def write(path: Path, text: str) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
