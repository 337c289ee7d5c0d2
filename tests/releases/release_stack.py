"""The whole system on databases of ours: where samples of a release are made, and where they are read again."""

import base64
from collections.abc import Mapping
from pathlib import Path

from memory_graph_workers.cli.stack.processes import Children
from memory_graph_workers.cli.stack.servers import Server, launch, wait_ready
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient

SERVICES = ("registry", "vault", "memory-graph")
ENCRYPTION_KEY = base64.b64encode(b"a key for samples; not a secret!").decode()  # of the archives in the dumps


def database_setting(service: str) -> str:
    """The variable that names a service's database."""
    return f"{service.replace('-', '_').upper()}_DATABASE_URL"


class ReleaseStack(Stack):
    """A stack whose services use `databases`, by the name of the service, and whose Vault has a fixed key."""

    def __init__(
        self, children: Children, directory: Path, databases: Mapping[str, str], vault_offset_secs: float = 0
    ) -> None:
        super().__init__(children, directory, {"ARCHIVAL_AFTER_DAYS": "0"})
        self._databases, self._offset_secs = databases, vault_offset_secs

    def _service(self, name: str, settings: Mapping[str, str]) -> Server:
        return super()._service(name, {**settings, **self.service_settings(name)})

    def service_settings(self, name: str) -> dict[str, str]:
        """What a service is told here, and a command that works on its database, too."""
        own = {database_setting(name): self._databases[name]}
        if name == "vault":
            own |= {"VAULT_ENCRYPTION_KEYS": ENCRYPTION_KEY, "VAULT_CLOCK_OFFSET_SECS": str(self._offset_secs)}
            own |= {"VAULT_KEYS": self.keys.vault}
        return own

    def restart_vault(self, offset_secs: float = 0) -> None:
        """Restart the Vault on the same port and data, with another clock."""
        old, self._offset_secs = self._running["vault"], offset_secs
        self.children.stop(old.child)
        self._running["vault"] = launch(self.children, self._vault(), old.port)
        wait_ready(self._running["vault"])


class Clients:
    """The public clients of a stack's three services; a context manager."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.registry = RegistryClient(RegistryConfig.from_env(environ))
        self.vault = VaultClient(VaultConfig.from_env(environ))
        self.graph = MemoryGraphClient(MemoryGraphConfig.from_env(environ))

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *error: object) -> None:
        for client in (self.registry, self.vault, self.graph):
            client.close()
