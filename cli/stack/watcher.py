"""Outlives its parent by seconds: when standard input ends, every process group named on it is stopped.

Lines: `+WHAT` and `-WHAT`, take up and drop; WHAT is the number of a process group, to be stopped, or
the absolute path of a directory, to be deleted after that. Only the parent holds the pipe's other end,
so that it ends with the parent, SIGKILL included. Run as a file, with the standard library alone.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable

GRACE_SECS = 5.0


def main() -> None:
    """Follow the parent's lines to their end, then clean up after it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = follow(sys.stdin)
    stop([int(what) for what in reversed(left) if what.isdecimal()])
    for path in (what for what in left if what.startswith("/")):
        shutil.rmtree(path, ignore_errors=True)


def follow(lines: Iterable[str]) -> list[str]:
    """What was taken up and not dropped when the lines end."""
    left: list[str] = []
    for line in lines:
        sign, what = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left.append(what)
        elif what in left:
            left.remove(what)
    return left


def stop(groups: list[int]) -> None:
    """TERM to each group, and KILL to what is left after the grace."""
    alive = [group for group in groups if send(group, signal.SIGTERM)]
    wait_until(lambda: not any(send(group, 0) for group in alive), GRACE_SECS)
    for group in alive:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Signal a whole process group; False where it is gone (0 only asks)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


def wait_until(is_true: Callable[[], bool], timeout_secs: float) -> bool:
    """Ask every 50 ms; False where the time ran out."""
    deadline = time.monotonic() + timeout_secs
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    main()
