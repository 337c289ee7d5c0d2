"""Runs tasks where they are sent, against our reference Registry and Vault in the same process, without a socket.

Needs the extra `services`.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import urllib3
from celery import signals, states
from celery.backends.base import KeyValueStoreBackend
from kombu.exceptions import OperationalError
from kombu.transport import virtual
from redis.exceptions import ConnectionError as RedisAway

from ..clients.config import MemoryGraphConfig, RegistryConfig, SchedulerConfig, VaultConfig
from ..clients.registry import RegistryClient
from ..clients.retry import ONCE
from ..clients.vault import VaultClient
from ..tasks import connections
from ..tasks.app import app
from ..tasks.config import BrokerConfig, DeadLetterConfig, TaskConfig, WorkerConfig
from ..tasks.usage import flush_reporters
from .takeover import REPORTS_SECS, takeover

try:
    from flask import Flask
    from werkzeug.test import Client

    from ..services.registry import app as registry_app
    from ..services.registry.config import RegistryServiceConfig
    from ..services.vault import app as vault_app
    from ..services.vault.config import VaultServiceConfig
    from ..services.vault.keys import new_key, read_ring
except ImportError as missing:
    raise ImportError(
        f"Inline tasks run against the reference services, and {missing.name} is not installed: "
        "it comes with the extra services (docs/testing.md)."
    ) from missing

_PlainChannel: Any = virtual.Channel  # what is overridden here is not in the stubs
_PlainBackend: Any = KeyValueStoreBackend

_KEY = "inline"
_THREADS = 4


class NotInline(Exception):
    """A task needs what this process does not have.

    Record it with `sent_tasks`, or run it against the stack of `make dev`.
    """

    showable = True


class NoRedis(RedisAway):
    """A task needs the Redis that workers share; what can do without it does, as while Redis is away."""

    showable = True


@dataclass(frozen=True)
class Failure:
    """A task that failed."""

    task: str
    id: str
    error: BaseException


class InlineTasks:
    """The services that inline tasks call, and the tasks that failed.

    `registry` and `vault` are clients, to prepare what the code under test needs and to look at what it did.
    """

    def __init__(self, registry: RegistryClient, vault: VaultClient) -> None:
        self._registry, self._vault = registry, vault
        self._failed: list[Failure] = []
        self._looked = False

    @property
    def registry(self) -> RegistryClient:
        """The Registry, once it has the reports that usage reporters hold."""
        flush_reporters(REPORTS_SECS)
        return self._registry

    @property
    def vault(self) -> VaultClient:
        """The Vault."""
        return self._vault

    @property
    def failed(self) -> list[Failure]:
        """The tasks that failed; a test that does not look at them fails itself."""
        flush_reporters(REPORTS_SECS)
        self._looked = True
        return list(self._failed)

    @property
    def unseen(self) -> list[Failure]:
        """The tasks that failed, if the test did not look."""
        return [] if self._looked else list(self._failed)

    def clients(self) -> dict[str, Any]:
        """Return the clients by the names of their services."""
        return {"registry": self._registry, "vault": self._vault}

    def note(self, sender: Any = None, task_id: str = "", exception: Any = None, **kwargs: Any) -> None:
        """Note a task that failed."""
        self._failed.append(Failure(str(sender.name), task_id, exception))


class WsgiTransport:
    """Sends a client's requests to a web application by a call."""

    def __init__(self, web_app: Flask) -> None:
        self._client = Client(web_app, use_cookies=False)

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_secs: float,
        most_bytes: int | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Call the application and return its response with the whole body."""
        done = self._client.open(path, method=method, headers=dict(headers), data=body)
        read = done.get_data()
        return urllib3.HTTPResponse(read, headers=dict(done.headers), status=done.status_code), read

    def close(self) -> None:
        """Nothing is open."""


class _NoChannel(_PlainChannel):
    def basic_publish(self, *args: Any, **options: Any) -> None:
        raise NotInline(
            "A task that is sent by its name does not run inline: send the task itself (.delay), or record it with "
            "sent_tasks."
        )


class _NoBroker(virtual.Transport):
    """A broker that takes nothing: what runs inline is not sent."""

    Channel = _NoChannel
    driver_type = driver_name = "inline"


class _Results(_PlainBackend):
    """The results of tasks that ran, as JSON, for whoever asks by a task's id."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._kept: dict[Any, Any] = {}

    def get(self, key: Any) -> Any:
        return self._kept.get(key)

    def mget(self, keys: Any) -> Any:
        return [self._kept.get(key) for key in keys]

    def set(self, key: Any, value: Any) -> None:
        self._kept[key] = value

    def delete(self, key: Any) -> None:
        self._kept.pop(key, None)

    def _ensure_not_eager(self) -> None:
        """Results are kept here, in spite of Celery's setting."""

    def succeeded(self, sender: Any = None, result: Any = None, **kwargs: Any) -> None:
        """Keep what a task returned."""
        if not sender.ignore_result:
            self.store_result(sender.request.id, result, states.SUCCESS)

    def failed(self, sender: Any = None, task_id: str = "", exception: Any = None, **kwargs: Any) -> None:
        """Keep why a task failed."""
        if not sender.ignore_result:
            self.store_result(task_id, exception, states.FAILURE)

    def wait_for(self, task_id: str, *args: Any, **options: Any) -> Any:
        """Return a result at once.

        Raises: NotInline if there is none: nothing will bring it.
        """
        meta = self.get_task_meta(task_id)
        if meta["status"] not in states.READY_STATES:
            raise NotInline(f"No task with the id {task_id} and a result ran here.")
        return meta


class _Away:
    """Stands for what this process does not have."""

    def __init__(self, kind: type[Exception], told: str) -> None:
        self._kind, self._told = kind, told

    def __getattr__(self, name: str) -> Any:
        raise self._kind(self._told)


_NO_GRAPH = _Away(NotInline, "This task reads Memory-Graph, which inline tasks lack: record it with sent_tasks.")
_NO_REDIS = _Away(NoRedis, "inline tasks have no Redis: record this task with sent_tasks")
_SETTINGS = WorkerConfig(
    BrokerConfig(),
    RegistryConfig(),
    VaultConfig(api_key=_KEY),
    MemoryGraphConfig(),
    SchedulerConfig(),
    TaskConfig(),
    DeadLetterConfig(),
)


@contextmanager
def inline() -> Generator[InlineTasks]:
    """Run every task of this process where it is sent, within the block; Registry and Vault begin empty.

    No setting of a service and no key is read. There is no Memory-Graph and no Redis: a task that reads conversations,
    and a sweep, fails and says so. A task that fails does so at once: nothing is there to wait for.
    Raises: RuntimeError if another block does so, or records.
    """
    results = _Results(app)
    taken = takeover("Tasks run inline", eager=True, transport=_NoBroker, results=results)
    with taken, TemporaryDirectory() as folder, _services(Path(folder)) as services:
        lent = {**services.clients(), "config": _SETTINGS, "memory_graph": _NO_GRAPH, "redis": _NO_REDIS}
        with _hearing(results, services), connections.lending(**lent):
            try:
                yield services
            finally:
                with suppress(OperationalError):
                    flush_reporters(REPORTS_SECS)  # else they would run in the next test


@contextmanager
def _hearing(results: _Results, services: InlineTasks) -> Generator[None]:
    """Let both hear how tasks end."""
    heard = [
        (signals.task_success, results.succeeded),
        (signals.task_failure, results.failed),
        (signals.task_failure, services.note),
    ]
    for signal, hears in heard:
        signal.connect(hears)
    try:
        yield
    finally:
        for signal, hears in heard:
            signal.disconnect(hears)


@contextmanager
def _services(folder: Path) -> Generator[InlineTasks]:
    registry = RegistryServiceConfig(own_database_url=f"sqlite:///{folder}/registry.db")
    ring = read_ring([new_key()])
    vault = VaultServiceConfig(own_database_url=f"sqlite:///{folder}/vault.db", keys=(_KEY,), encryption_keys=ring)
    registry_app.prepare(registry)
    vault_app.prepare(vault)
    apps = registry_app.make_app(registry, _THREADS), vault_app.make_app(vault, _THREADS)
    to_registry, to_vault = map(WsgiTransport, apps)
    try:
        yield InlineTasks(
            RegistryClient(_SETTINGS.registry, retry_policy=ONCE, transport=to_registry),
            VaultClient(_SETTINGS.vault, retry_policy=ONCE, transport=to_vault),
        )
    finally:
        for one in apps:
            one.extensions["storage"].close()
