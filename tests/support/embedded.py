"""One whole stack for a folder of tests, and programs that run against it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from support import forked
from support.waiting import LONGEST_SECS


class Embedded:
    """Broker, services and a worker; a session is due as soon as it is completed."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.environ = stack, stack.child_environ()
        self.registry = RegistryClient(RegistryConfig.from_env(self.environ))
        self.vault = VaultClient(VaultConfig.from_env(self.environ))
        self.graph = MemoryGraphClient(MemoryGraphConfig.from_env(self.environ))

    def close(self) -> None:
        for client in (self.registry, self.vault, self.graph):
            client.close()

    def run(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run a Python program to its end, and return what it printed; a module of ours is forked."""
        own = {**self.environ, **environ}
        if arguments[0] == "-m" and arguments[1].startswith("memory_graph_workers."):
            done = forked.finished(arguments[1], arguments[2:], own)
            assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            return done.stdout
        return finished([sys.executable, *arguments], own, code).stdout

    def example(self, name: str) -> str:
        return self.run("-m", f"memory_graph_workers.examples.{name}")


def finished(command: list[str], environ: Mapping[str, str], code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=LONGEST_SECS)
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def logs_in(home: str) -> Path:
    """A folder for the logs of a stack."""
    (folder := Path(home, "logs")).mkdir()
    return folder


@contextmanager
def embedded() -> Iterator[Embedded]:
    with TemporaryDirectory(prefix="mgw-") as home, forked.ForkedChildren(logs_in(home)) as children:
        stack = Stack(children, Path(home), {"ARCHIVAL_AFTER_DAYS": "0"})
        stack.start_services()
        stack.start_worker()
        running = Embedded(stack)
        try:
            yield running
        finally:
            running.close()
