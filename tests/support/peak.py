"""How much memory this process needed at most since it was asked."""

import re
from pathlib import Path

MOST_MIB = 64.0
_SELF = Path("/proc/self")


class Peak:
    """Counts from what the process has now, and forgets what it once had."""

    def __init__(self) -> None:
        (_SELF / "clear_refs").write_text("5")  # resets the high-water mark
        self._idle_kib = _kib("VmRSS")

    def mib_above(self) -> float:
        """Return how far the process was above its idle size, in MiB."""
        return (_kib("VmHWM") - self._idle_kib) / 1024


def _kib(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", (_SELF / "status").read_text())
    assert found is not None
    return int(found[1])
