"""One whole stack for a folder of tests, and programs that run against it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
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

    def mgw(self, *arguments: str) -> str:
        """Run `mgw` to its end, and return what it printed."""
        return self._printed(forked.MGW, *arguments)

    def program(self, code: str, **environ: str) -> str:
        """Run a program to its end, and return what it printed."""
        return self._printed(forked.CODE, code, **environ)

    def example(self, name: str) -> str:
        """Run one of the package's examples to its end, and return what it printed."""
        return self._printed(f"memory_graph_workers.examples.{name}")

    def _printed(self, module: str, *arguments: str, **environ: str) -> str:
        done = forked.finished(module, arguments, {**self.environ, **environ})
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def finished(command: list[str], environ: Mapping[str, str], code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=LONGEST_SECS)
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def embedded() -> Iterator[Embedded]:
    with TemporaryDirectory() as home:
        logs = Path(home) / "logs"
        logs.mkdir()
        with forked.ForkedChildren(logs) as children:
            stack = Stack(children, Path(home), {"ARCHIVAL_AFTER_DAYS": "0"})
            stack.start_services()
            stack.start_worker()
            with closing(Embedded(stack)) as running:
                yield running
