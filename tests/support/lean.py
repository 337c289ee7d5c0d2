"""How much memory our code needs, apart from what pytest and hypothesis need around it."""

import functools
import gc
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ParamSpec

P = ParamSpec("P")

MOST_MIB = 64.0
MIB = 2**20


class Calls:
    """How many calls were measured."""

    count = 0


def lean(test: Callable[P, None]) -> Callable[P, None]:
    """Fail a test if one call of it takes more than 64 MiB, or if all its calls together keep more than that."""
    kept_mib = 0.0

    @functools.wraps(test)
    def measured(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal kept_mib
        with Call() as call:
            test(*args, **kwargs)
        Calls.count += 1
        kept_mib += call.kept_mib
        took_mib = max(call.took_mib, call.grew_mib)
        assert took_mib < MOST_MIB, f"one call took {took_mib:.0f} MiB; at most {MOST_MIB:.0f} are allowed"
        assert kept_mib < MOST_MIB, f"the calls so far keep {kept_mib:.0f} MiB; at most {MOST_MIB:.0f} are allowed"

    return measured


class Call:
    """The memory of one call: `took_mib` at once and `kept_mib` after it, in Python; `grew_mib`, the whole process.

    Python's own memory is counted to the byte. What a library takes without asking Python (protobuf, SQLite) shows
    in the growth of the process alone. Garbage that waits for the collector is not kept.
    """

    def __enter__(self) -> "Call":
        gc.disable()  # what the call makes stays in the youngest generation, which is quick to collect
        self._process = Peak()
        tracemalloc.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.grew_mib = self._process.mib_above()
        self.took_mib = tracemalloc.get_traced_memory()[1] / MIB
        gc.collect(0)
        self.kept_mib = tracemalloc.get_traced_memory()[0] / MIB
        tracemalloc.stop()
        gc.enable()


class Peak:
    """The largest size of a process from now on; what it once had is forgotten."""

    def __init__(self, pid: int | str = "self") -> None:
        self._folder = Path("/proc") / str(pid)
        (self._folder / "clear_refs").write_text("5")  # resets the high-water mark
        self._idle_kib = self._kib("VmRSS")

    def mib_above(self) -> float:
        """Return how far the process was above its first size, in MiB."""
        return (self._kib("VmHWM") - self._idle_kib) / 1024

    def _kib(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", (self._folder / "status").read_text())
        assert found is not None
        return int(found[1])
