"""Programs that run on machines, started, watched and ended by us."""

import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from memory_graph_workers.cli.stack.processes import Child, Children, died
from memory_graph_workers.cli.stack.watcher import send

from .box import Host
from .topology import ADDRESSES

START_SECS = 60.0
_KEPT = ("PATH", "HOME", "LANG")  # of our environment; nothing of it must reach another deployment


class Programs:
    """What runs, by its name; `patience` multiplies every wait, for a busy machine."""

    def __init__(self, home: Path, children: Children, patience: float) -> None:
        self.home, self.patience = home, patience
        self.hosts = {name: Host(name, address) for name, address in ADDRESSES.items()}
        self.ends_at = float("inf")  # no wait lasts longer
        self._children = children
        self._running: dict[str, Child] = {}
        self._logged_before: dict[str, int] = {}

    def start(self, host: str, name: str, program: Sequence[str], environ: dict[str, str]) -> None:
        """Start a program on a machine."""
        log = self._children.logs / f"{name}.log"
        self._logged_before[name] = log.stat().st_size if log.exists() else 0
        settings = {one: os.environ[one] for one in _KEPT if one in os.environ} | {"TMPDIR": str(self.home)} | environ
        self._running[name] = self._children.start(name, [*self.hosts[host].command, *program], settings)

    def kill(self, name: str) -> None:
        """End a program and its children at once, as a lost machine does."""
        send(self._running[name].process.pid, signal.SIGKILL)
        self.stop([name])

    def kill_all(self) -> None:
        """End everything at once: nobody cares any more what it still does."""
        for child in self._running.values():
            send(child.process.pid, signal.SIGKILL)

    def stop(self, names: Collection[str]) -> None:
        """End programs as an operator does, by TERM, all at the same time."""
        for name in names:
            self._running[name].process.send_signal(signal.SIGTERM)
        for name in names:
            self._children.stop(self._running.pop(name))

    def is_alive(self, name: str) -> bool:
        """Whether it runs."""
        return name in self._running and self._running[name].is_alive

    def log(self, name: str) -> str:
        """What it has written since it was started last."""
        with (self._children.logs / f"{name}.log").open("rb") as file:
            file.seek(self._logged_before[name])
            return file.read().decode(errors="replace")

    def wait(self, holds: Callable[[], object], secs: float, what: str) -> None:
        """Wait until it holds, for so many seconds on a quiet machine.

        Raises: TimeoutError.
        """
        end = min(time.monotonic() + secs * self.patience, self.ends_at)
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"not in time: {what}")
            time.sleep(0.1)

    def wait_until(self, holds: Callable[[str], object], names: Collection[str]) -> None:
        """Wait until it holds of each of these programs, which were started together.

        Raises: Failure with the end of its log if one has ended; TimeoutError.
        """
        for name in names:
            self.wait(lambda: not self.is_alive(name) or holds(name), START_SECS, f"{name} is ready")  # noqa: B023
            if not self.is_alive(name):
                raise died(self._running[name])
