"""Asks services whether they are up, each in a process of its own: a probe may hang, or load what cannot be forked."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ..errors import InvalidConfig

PROBE_EVERY_SECS = 5.0
_PROBE_SECS = 10.0


def command_of(probe: Callable[[str], object] | str) -> list[str]:
    """The command that asks, without the service: a module is run, a function is imported and called.

    Raises: InvalidConfig for a function that another process cannot import.
    """
    if isinstance(probe, str):
        path = probe
    else:
        known: Any = probe
        path = f"{getattr(known, '__module__', None)}:{getattr(known, '__qualname__', '<unnamed>')}"
    if "<" in path or path.startswith(("__main__:", "None:")):
        raise InvalidConfig(
            f"The probe {path} cannot be run: it runs in a process of its own. Give install a function at the top of a "
            "module, or a module's name."
        )
    return [sys.executable, "-m", f"{__package__}.run_probe", path] if ":" in path else [sys.executable, "-m", path]


class Probes:
    """Runs a probe of one service at a time, and ends it when it takes too long."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._asked: dict[str, tuple[subprocess.Popen[bytes] | None, float]] = {}

    def ask(self, service: str) -> bool | None:
        """Whether a service is up; None where it has not answered yet, or was asked a short time ago."""
        process, since = self._asked.get(service, (None, -PROBE_EVERY_SECS))
        age_secs = time.monotonic() - since
        if process is None:
            if age_secs >= PROBE_EVERY_SECS:
                self._asked[service] = (self._started(service), time.monotonic())
            return None
        if process.poll() is None and age_secs < _PROBE_SECS:
            return None
        self._asked[service] = (None, since)
        return _ended(process) == 0

    def stop(self) -> None:
        """End the probes that still run."""
        for process, _ in self._asked.values():
            if process is not None:
                _ended(process)
        self._asked.clear()

    def _started(self, service: str) -> "subprocess.Popen[bytes]":
        # Command and service are those that the application gave to install.
        return subprocess.Popen([*self._command, service], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def always_up(service: str) -> bool:
    """Say of every service that it is up: without a probe, the breaker's pause alone decides when it is tried."""
    return True


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """How a process has ended; one that still runs is killed."""
    if process.poll() is None:
        process.kill()
    return process.wait()
