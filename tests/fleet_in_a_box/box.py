"""A box for a whole fleet: machines are network namespaces, and the kernel clears it away with its first process.

The box has its own network, processes and mounts. Nothing of it is visible outside, so no name and no address can
collide, and no packet passes a firewall of this machine. `/run` in it is memory that goes with it.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

SWITCH = "switch"
OPERATOR = "10.77.0.1"  # our own address: that of whoever looks at the fleet
NETWORK = "10.77.0.0/24"
PLACE = Path("/run")
_NEEDED = {"ip": "iproute2", "mount": "mount", "setpriv": "util-linux"}
_NEW_MOUNTS, _NEW_PROCESSES, _NEW_NETWORK = 0x00020000, 0x20000000, 0x40000000  # CLONE_NEWNS, NEWPID, NEWNET
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class NotPermitted(Exception):
    """This machine or user cannot make a box; the message says what is missing."""


class Host:
    """A machine: a network namespace with one link to the switch."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", name, "master", SWITCH, "up")
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")

    @property
    def command(self) -> list[str]:
        """What runs a program on it."""
        return [shutil.which("ip") or "ip", "netns", "exec", self.name]

    def cut(self) -> None:
        """Let nothing through any more: no packet arrives, and nobody is told."""
        _ip("link", "set", self.name, "down")

    def join(self) -> None:
        """Let everything through again."""
        _ip("link", "set", self.name, "up")


def missing() -> list[str]:
    """What this machine lacks for a box."""
    if sys.platform != "linux":
        return ["Linux, whose network namespaces are the machines"]
    lacks = [f"the program {name} (apt install {package})" for name, package in _NEEDED.items() if not _path(name)]
    return lacks if os.geteuid() == 0 else ["root, who alone may make network namespaces", *lacks]


def enter() -> None:
    """Go on in a box of its own, with a switch and no machines yet.

    The process outside waits, and ends as the one inside ends. Raises: NotPermitted.
    """
    if lacks := missing():
        raise NotPermitted("; ".join(lacks))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS | _NEW_PROCESSES | _NEW_NETWORK):
        raise NotPermitted(f"namespaces of network, processes and mounts ({os.strerror(ctypes.get_errno())})")
    _go_on_in_child(libc)  # this one is the first process of the box, which has to take leave of orphans,
    _go_on_in_child(libc)  # and this one does the work
    _run("mount", "-n", "--make-rprivate", "/")
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(PLACE))
    _ip("link", "set", "lo", "up")
    _ip("link", "add", SWITCH, "type", "bridge")
    _ip("address", "add", f"{OPERATOR}/24", "dev", SWITCH)
    _ip("link", "set", SWITCH, "up")


def _go_on_in_child(libc: ctypes.CDLL) -> None:
    """Return in a child; the parent passes TERM on to it, and ends with its exit code."""
    child = os.fork()
    if not child:
        libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the child, too
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotPermitted(f"`{' '.join(command)}` ({done.stderr.strip()})")


def _path(program: str) -> str | None:
    return shutil.which(program)
