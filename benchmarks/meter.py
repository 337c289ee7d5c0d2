"""Processor seconds by part: each part is some processes with everything that they started."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

Cpu = dict[str, float]


class Meter:
    """Reads what the processes of each part have used since they began."""

    def __init__(self, parts: Mapping[str, Sequence[int]]) -> None:
        self._parts = parts

    def read(self) -> Cpu:
        """Processor seconds so far, by part."""
        return {part: sum(map(tree_cpu_secs, pids)) for part, pids in self._parts.items()}


def used(before: Cpu, after: Cpu, many: int) -> Cpu:
    """Processor seconds a thousand of `many`, by part."""
    return {part: (after[part] - before[part]) / many * 1000 for part in after}


def tree_cpu_secs(pid: int) -> float:
    """What a process and its descendants used; a parent's own record holds those that have ended."""
    total = 0.0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
    return total
