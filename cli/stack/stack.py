"""The whole system on this machine, as child processes: broker, three services, worker, beat and Flower."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from . import broker
from .directory import kept_secret
from .ports import LOOPBACK, free_port, http_status
from .processes import Child, Children
from .servers import Running, Server, launch, start_all, wait_for_child, wait_ready

# Settings that are dropped from the caller's environment: the stack must never reach a real deployment.
_DROPPED = (
    "ALLOW_INSECURE_HTTP", "ARCHIV", "BREAKER_", "CALLS_", "CELERY_", "DEAD_", "FLOWER_", "HEALTH_", "KEY_PREFIX",
    "MEMORY_GRAPH_", "MOVE_", "REDIS_", "REGISTRY_", "RESULT_", "SERVICE_", "SWEEP_", "TASK_", "VAULT_", "VISIBILITY_",
    "WORKER_",
)  # fmt: skip
_APP = "memory_graph_workers.tasks.app"
_WORKER_PROCESSES = 2


@dataclass
class Keys:
    """Secrets of one run, passed by environment and by files of mode 0600.

    The Vault's encryption key is not among them: it lasts as long as the archives, in a file beside them.
    """

    broker: str = field(default_factory=secrets.token_hex)
    registry: str = field(default_factory=secrets.token_urlsafe)
    vault: str = field(default_factory=secrets.token_urlsafe)
    memory_graph: str = field(default_factory=secrets.token_urlsafe)
    flower: str = field(default_factory=secrets.token_urlsafe)


class Stack:
    """Starts the parts one by one in a private directory; `settings` are added to the environment of each."""

    def __init__(self, children: Children, directory: Path, settings: Mapping[str, str]) -> None:
        forget_other_services()
        (directory / "tmp").mkdir(exist_ok=True)
        self.children, self.directory, self.keys = children, directory, Keys()
        self.environ: dict[str, str] = dict(settings)
        self._running: dict[str, Running] = {}

    def start_services(self, registry_clock_offset_secs: float = 0.0) -> None:
        """Start the broker and the three services; afterwards `environ` holds their addresses and keys."""
        services = [self._registry(registry_clock_offset_secs), self._vault(), self._memory_graph()]
        self._running |= start_all(self.children, [self._broker(), *services])
        self.environ |= {
            "REDIS_URL": self._redis_url(self.port("broker")),
            "REGISTRY_URL": f"http://{LOOPBACK}:{self.port('registry')}",
            "REGISTRY_API_KEY": self.keys.registry,
            "VAULT_URL": f"http://{LOOPBACK}:{self.port('vault')}",
            "VAULT_API_KEY": self.keys.vault,
            "MEMORY_GRAPH_URL": f"grpc://{LOOPBACK}:{self.port('memory-graph')}",
            "MEMORY_GRAPH_API_KEY": self.keys.memory_graph,
        }

    def restart_registry(self, clock_offset_secs: float = 0.0) -> None:
        """Restart the Registry on the same port and data, with another clock."""
        old = self._running["registry"]
        self.children.stop(old.child)
        self._running["registry"] = launch(self.children, self._registry(clock_offset_secs), old.port)
        wait_ready(self._running["registry"])

    def kill_server(self, name: str) -> None:
        """End a server by SIGKILL; `launch_again` starts it again."""
        self.children.kill(self._running[name].child)

    def launch_again(self, name: str, *, wait: bool = False) -> None:
        """Start a server that was killed on the same port and data; with `wait`, wait until it serves."""
        old = self._running[name]
        self._running[name] = launch(self.children, old.server, old.port)
        if wait:
            wait_ready(self._running[name])

    def serves(self, name: str) -> bool:
        """Whether a server that was started serves."""
        running = self._running[name]
        return running.server.is_ready(running.port)

    def start_worker(self, name: str = "worker", *, wait: bool = True) -> Child:
        """Start a worker and, unless told otherwise, wait until it answers a ping."""
        options = ["--pool", "prefork", "-c", str(_WORKER_PROCESSES), "-E", "--loglevel", "INFO"]
        worker = self._celery(name, "worker", "-n", _host(name), *options)
        if wait:
            self.wait_for_worker(worker)
        return worker

    def wait_for_worker(self, worker: Child) -> None:
        """Wait until a worker answers a ping.

        Raises: Failure if it exits first, or is not ready in time.
        """
        wait_for_child(worker, lambda: bool(self._ask(worker, "ping")))

    def active_tasks(self, worker: Child) -> set[str]:
        """The ids of the tasks that a worker runs now; none if it does not answer within half a second."""
        found = [task for reply in self._ask(worker, "active") for task in reply[_host(worker.name)]]
        return {str(task["id"]) for task in found}

    def start_beat(self, settings: Mapping[str, str] | None = None) -> Child:
        """Start beat; `settings` count for it alone."""
        return self._celery("beat", "beat", "--loglevel", "INFO", settings=settings)

    def start_flower(self, *, wait: bool = True) -> None:
        """Start Flower on this machine alone, behind a user and a password."""
        if wait:
            self._running |= start_all(self.children, [self._flower()])
        else:
            self._running["flower"] = launch(self.children, self._flower(), free_port())

    def port(self, name: str) -> int:
        """The port of a running part."""
        return self._running[name].port

    def child_environ(self) -> dict[str, str]:
        """The environment of a program that works with this stack."""
        return self._plain_environ() | self.environ

    def write_env_file(self) -> Path:
        """Write a file that a shell sources (`. FILE`) to work with this stack."""
        path = self.directory / "env"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text("".join(f"export {name}={quote(value)}\n" for name, value in sorted(self.environ.items())))
        return path

    def _plain_environ(self) -> dict[str, str]:
        # Temporary files of a killed child are deleted with the directory.
        return dict(os.environ) | {"TMPDIR": str(self.directory / "tmp")}

    def _broker(self) -> Server:
        program, directory = broker.find_server(), self.directory / "broker"
        return Server(
            "broker",
            lambda port: [
                program,
                str(broker.write_config(directory, port, self.keys.broker)),
                "--dir",
                str(directory),
            ],
            self._plain_environ(),
            lambda port: broker.answers(self._redis_url(port)),
        )

    def _registry(self, clock_offset_secs: float) -> Server:
        settings = {"REGISTRY_KEYS": self.keys.registry, "REGISTRY_CLOCK_OFFSET_SECS": str(clock_offset_secs)}
        return self._service("registry", {"REGISTRY_DATABASE_URL": "sqlite:///registry.db", **settings})

    def _vault(self) -> Server:
        keys = {"VAULT_KEYS": self.keys.vault, "VAULT_ENCRYPTION_KEYS": self._encryption_key()}
        return self._service("vault", {"VAULT_DATABASE_URL": "sqlite:///vault.db", **keys})

    def _encryption_key(self) -> str:
        from ...services.vault.keys import new_key

        return kept_secret(self.directory / "vault-encryption.key", new_key)

    def _memory_graph(self) -> Server:
        settings = {"MEMORY_GRAPH_KEYS": self.keys.memory_graph}
        server = self._service("memory-graph", {"MEMORY_GRAPH_DATABASE_URL": "sqlite:///memory-graph.db", **settings})
        return Server(server.name, server.command, server.environ, _graph_serves)

    def _service(self, name: str, settings: Mapping[str, str]) -> Server:
        command = [sys.executable, "-m", "memory_graph_workers.services", name, "--host", LOOPBACK, "--port"]
        return Server(
            name,
            lambda port: [*command, str(port)],
            self.child_environ() | dict(settings),
            lambda port: http_status(port, "/health") == 200,
        )

    def _flower(self) -> Server:
        command = [sys.executable, "-m", "memory_graph_workers.cli", "flower", "--port"]
        # Flower needs the broker only, so it gets no other address or key.
        settings = {name: self.environ[name] for name in ("REDIS_URL", "KEY_PREFIX") if name in self.environ}
        settings["FLOWER_BASIC_AUTH"] = f"mgw:{self.keys.flower}"
        return Server(
            "flower",
            lambda port: [*command, str(port)],
            self._plain_environ() | settings,
            lambda port: http_status(port, "/healthcheck") == 200,
        )

    def _celery(self, name: str, *arguments: str, settings: Mapping[str, str] | None = None) -> Child:
        command = [sys.executable, "-m", "celery", "-A", _APP, *arguments]
        return self.children.start(name, command, self.child_environ() | dict(settings or {}))

    def _ask(self, worker: Child, question: str) -> list[dict[str, Any]]:
        """What a worker answers to a question of remote control; nothing if it is too late or Redis is away."""
        from celery import Celery

        from ...delivery.broker.transport import broker_settings
        from ...delivery.connections.replies import AWAY
        from ...tasks.config import BrokerConfig

        with Celery(set_as_current=False) as app:
            broker = BrokerConfig.from_env(self.environ)
            app.conf.update(broker_settings(broker.broker, broker.prefix))
            control: Any = app.control
            try:
                return control.broadcast(question, destination=[_host(worker.name)], reply=True, timeout=0.5) or []
            except AWAY:  # a Redis of somebody else's, which may be replaced meanwhile
                return []

    def _redis_url(self, port: int) -> str:
        return f"redis://:{self.keys.broker}@{LOOPBACK}:{port}/0"


def _host(name: str) -> str:
    return f"{name}@local"


def forget_other_services() -> None:
    """Drop the settings of other deployments from our environment, and keep loopback calls off proxies."""
    for name in [name for name in os.environ if name.startswith(_DROPPED)]:
        del os.environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), LOOPBACK)))


def _graph_serves(port: int) -> bool:
    from ...clients.config import MemoryGraphConfig, RetryPolicy
    from ...clients.errors import IntegrationError
    from ...clients.memory_graph import MemoryGraphClient

    config = MemoryGraphConfig(f"grpc://{LOOPBACK}:{port}", enable_logging=False)
    try:
        with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1)) as graph:
            graph.health_check()
    except IntegrationError:
        return False
    return True
