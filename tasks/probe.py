"""`python -m memory_graph_workers.tasks.probe SERVICE`: exits with 0 if the service is up, else with 1."""

import sys

from ..clients.errors import IntegrationError
from ..clients.failures import shows_service_is_up
from ..clients.memory_graph import MemoryGraphClient
from ..clients.registry import RegistryClient
from ..clients.retry import ONCE
from ..clients.vault import VaultClient
from .config import WorkerConfig


def main(service: str) -> int:
    """Ask once, without a breaker, and return the exit code; a service that refuses the request is up, too."""
    config = WorkerConfig.from_env()
    try:
        _client(service, config).health_check()
    except IntegrationError as error:
        return 0 if shows_service_is_up(error) else 1
    return 0


def _client(service: str, config: WorkerConfig) -> RegistryClient | VaultClient | MemoryGraphClient:
    if service == "memory_graph":
        return MemoryGraphClient(config.memory_graph, retry_policy=ONCE)
    if service == "vault":
        return VaultClient(config.vault, retry_policy=ONCE)
    return RegistryClient(config.registry, retry_policy=ONCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
