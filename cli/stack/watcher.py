"""Stops the process groups named on standard input once its parent is gone; it outlives the parent by seconds.

Each line is `+WHAT` (watch) or `-WHAT` (forget). WHAT is the number of a process group to stop, or the
absolute path of a directory to delete afterwards. Only the parent holds the other end of the pipe, so the
input ends when the parent does, even by SIGKILL. Run as a file with only the standard library.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable

GRACE_SECS = 5.0


def main() -> None:
    """Read the parent's lines to the end, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = follow(sys.stdin)
    stop([int(what) for what in reversed(left) if what.isdecimal()])
    for path in (what for what in left if what.startswith("/")):
        shutil.rmtree(path, ignore_errors=True)


def follow(lines: Iterable[str]) -> list[str]:
    """What is still watched when the lines end."""
    left: list[str] = []
    for line in lines:
        sign, what = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left.append(what)
        elif what in left:
            left.remove(what)
    return left


def stop(groups: list[int]) -> None:
    """Send TERM to each group, then KILL to whatever is left after the grace period."""
    alive = [group for group in groups if send(group, signal.SIGTERM)]
    wait_until(lambda: not any(send(group, 0) for group in alive), GRACE_SECS)
    for group in alive:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Signal a whole process group and return whether it exists; signal 0 only asks."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS returns EPERM for a group of zombies
        return False
    return True


def wait_until(is_true: Callable[[], bool], timeout_secs: float) -> bool:
    """Ask every 50 ms until it is true; return False if the time runs out first."""
    deadline = time.monotonic() + timeout_secs
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    main()
