"""The doctor's look at the installed packages."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from .finding import Finding, judged

_ALWAYS_SHOWN = {"celery", "kombu", "redis"}


def check_versions() -> Iterator[Finding]:
    """The installed versions against those that this release was tested with; some others lose tasks."""
    for requirement in map(Requirement, requires("memory-graph-workers") or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "not installed"
        holds = found != "not installed" and requirement.specifier.contains(found, prereleases=True)
        fix = f"pip install '{requirement}' (some newer versions lose tasks, older ones lack what is needed)"
        if not holds or requirement.name in _ALWAYS_SHOWN:
            yield judged(f"version: {requirement.name}", holds, found, fix)
