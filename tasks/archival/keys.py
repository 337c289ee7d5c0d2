"""The names of a sweep's keys in Redis."""

from ..base import broker

_PREFIX = f"{broker.prefix}memory_graph:sweep"

LOCK, INDEX, PAUSED = f"{_PREFIX}:lease", f"{_PREFIX}:index", f"{_PREFIX}:paused"
WRITTEN = f"{_PREFIX}:written"  # when something was written last that replicas were waited for
SCRATCH = ("page", "taken", "over", "batches")  # parts of a sweep under way
KEPT = ("", "failed", "skipped")  # parts of a sweep that outlive it


def key(sweep_id: str, *parts: str) -> str:
    """Return the key of one part of a sweep; without a part, that of the sweep itself."""
    return ":".join([_PREFIX, sweep_id, *(part for part in parts if part)])


def keys(sweep_id: str, *parts: str) -> list[str]:
    """Return the keys of some parts of a sweep."""
    return [key(sweep_id, part) for part in parts]
