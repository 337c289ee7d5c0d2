"""Child processes that never outlive us: each has its own process group, a watcher, and a tie kept by the kernel."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..terminal.failure import Failure
from .watcher import send, wait_until

_HERE = Path(__file__).parent
_LOG_TAIL_LINES = 15


class Child:
    """One running program, its process group and its log."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, *, may_end: bool) -> None:
        self.name, self.process, self.log, self._may_end = name, process, log, may_end

    @property
    def is_alive(self) -> bool:
        """Whether the program itself (not only its children) still runs."""
        return self.process.poll() is None

    @property
    def has_failed(self) -> bool:
        """Whether it ended unexpectedly, or with an exit code other than 0."""
        return not self.is_alive and not (self._may_end and self.process.returncode == 0)

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LOG_TAIL_LINES:]) or "    (it wrote nothing)"

    def stop(self, grace_secs: float) -> None:
        """Stop the whole process group: TERM, then KILL for whatever is left after the grace period."""
        send(self.process.pid, signal.SIGTERM)
        wait_until(self._is_gone, grace_secs)
        send(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill(self) -> None:
        """End the whole process group at once, as a lost machine does."""
        send(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stop the whole process group where it is, until `thaw` or `kill`."""
        send(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process group go on."""
        send(self.process.pid, signal.SIGCONT)

    def _is_gone(self) -> bool:
        return not self.is_alive and not send(self.process.pid, 0)


class Children:
    """Programs that are stopped in reverse order of their start when the block ends.

    Start them from the main thread: the kernel ties a process to the thread that started it.
    """

    def __init__(self, logs: Path, grace_secs: float = 10.0) -> None:
        self.logs, self.grace_secs = logs, grace_secs
        self._running: list[Child] = []

    def __enter__(self) -> Self:
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "watcher.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            self.stop(self._running[-1])
        self._watcher.communicate()

    def start(self, name: str, program: Sequence[str], environ: Mapping[str, str], *, may_end: bool = False) -> Child:
        """Start a program whose output goes to `<name>.log`; with `may_end` it may exit with code 0."""
        log = self.logs / f"{name}.log"
        process = self._launch(program, environ, log)
        self._tell(f"+{process.pid}")
        child = Child(name, process, log, may_end=may_end)
        self._running.append(child)
        return child

    def stop(self, child: Child) -> None:
        """Stop one program and everything it started."""
        child.stop(self.grace_secs)
        self._forget(child)

    def kill(self, child: Child) -> None:
        """End one program and everything it started by SIGKILL; `check` does not count it as failed."""
        child.kill()
        self._forget(child)

    def delete_in_the_end(self, directory: Path) -> None:
        """Delete a directory (an absolute path) once everything has stopped, however we end."""
        self._tell(f"+{directory}")

    def check(self) -> None:
        """Check that no program has failed.

        Raises: Failure with the last lines of the log of one that has.
        """
        for child in self._running:
            if child.has_failed:
                raise died(child)

    def kill_all(self) -> None:
        """End all programs at once, the last one that was started first."""
        while self._running:
            self.kill(self._running[-1])

    def _forget(self, child: Child) -> None:
        self._running.remove(child)
        self._tell(f"-{child.process.pid}")

    def _launch(self, program: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program in a process group of its own."""
        tie = [sys.executable, "-I", "-S", str(_HERE / "die_with_parent.py"), str(os.getpid())]
        with log.open("ab") as output:
            return subprocess.Popen(
                [*tie, *program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=self.logs.parent,
                start_new_session=True,
            )

    def _tell(self, line: str) -> None:
        pipe = self._watcher.stdin
        with suppress(BrokenPipeError):  # somebody killed the watcher: the kernel still stops the children
            if pipe is not None:
                pipe.write(f"{line}\n".encode())
                pipe.flush()


def died(child: Child) -> Failure:
    """A failure that says how a program ended and quotes the end of its log."""
    code = child.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return Failure(f"The {child.name} {how}. The end of its log:\n{child.log_tail()}")
