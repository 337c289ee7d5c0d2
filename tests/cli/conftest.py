"""Processes that a test can find again, because their environment carries a tag."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.waiting import comes

VARIABLE = "MGW_TEST_TAG"


class Tagged:
    """Starts processes with a tag of its own, and finds them and all their descendants."""

    def __init__(self) -> None:
        self.tag = uuid4().hex

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, VARIABLE: self.tag}

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, env=self.environ, text=True, start_new_session=True, **pipes)

    def alive(self) -> dict[int, str]:
        """The number and command of each process with the tag, as the operating system lists them."""
        if sys.platform != "linux":
            lines = subprocess.run(["ps", "-axEo", "pid,command"], capture_output=True, text=True).stdout.splitlines()
            return {int(line.split()[0]): line for line in lines if self.tag in line}
        found = {}
        for entry in filter(lambda path: path.name.isdecimal(), Path("/proc").iterdir()):
            try:
                # Valkey writes its title over its environment: it is known by a directory named after the tag.
                if self.tag.encode() in (entry / "environ").read_bytes() or self.tag in str((entry / "cwd").readlink()):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile, or is another user's
                continue
        return found

    def all_gone(self) -> bool:
        """Whether none is left, now or in a while."""
        return comes(lambda: not self.alive())


@pytest.fixture
def tagged() -> Iterator[Tagged]:
    processes = Tagged()
    yield processes
    for number in processes.alive():
        os.kill(number, signal.SIGKILL)
