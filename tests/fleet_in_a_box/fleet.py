"""The whole fleet: its servers, and the workers, beats and producers that share their queues."""

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from memory_graph_workers.cli.stack.processes import Children
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery import DeadLetters
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.schemas.fields import parse_timestamp
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.tasks.archival.keys import LOCK
from redis.exceptions import RedisError
from support.our_app import KEYS

from .effects import unarchived
from .producer import SESSION
from .programs import Programs
from .stores import Stores
from .topology import BEATS, WORKERS
from .watched import Watched

HERE = Path(__file__).parent
SWEEP_EVERY_SECS = 10.0
TIMEOUT_SECS = 8  # the visibility timeout
CONVERSATIONS = 40  # of which each producer gets so many
DUE_AFTER_SECS = 12.0  # over the timeout: a message that says "completed" is refused once the session is archived
SETTINGS = {
    "ARCHIVAL_AFTER_DAYS": str(DUE_AFTER_SECS / 86_400),
    "ARCHIVAL_BATCH_SIZE": "5",
    "ARCHIVAL_INTERVAL_HOURS": str(SWEEP_EVERY_SECS / 3600),
    "HEALTH_PROBES_ENABLED": "false",
    "VISIBILITY_TIMEOUT_SECS": str(TIMEOUT_SECS),
}
_APP = "memory_graph_workers.tasks.app"
_QUEUES = tuple(f"memory_graph.{name}" for name in ("registry", "vault", "archival", "health"))
_SIGNS = {"worker": "ready.", "beat": "beat: Starting"}


class Fleet:
    """One fleet; `settings` are those of its workers, beats and producers."""

    def __init__(self, home: Path, children: Children, patience: float) -> None:
        self.programs = Programs(home, children, patience)
        self.redis_servers, self.stores = Watched(self.programs), Stores(self.programs)
        self.settings: dict[str, str] = {}
        self.ledgers: list[Path] = []
        self._conversations = 0

    def start_servers(self) -> None:
        """Start all servers, and register the session that most reports are about."""
        self.redis_servers.start()
        self.stores.start()
        os.environ["NO_PROXY"] = self.stores.addresses()["NO_PROXY"]
        with RegistryClient(RegistryConfig.from_env(self.stores.addresses())) as registry:
            registry.register_session(SessionRegistration(SESSION, "acme/model:1"))
        self.use()

    # Workers, beats, producers

    def use(self, redis_url: str = "", **settings: str) -> None:
        """Let what starts from now on have these settings, and this address of Redis or that of the sentinels."""
        url = redis_url or self.redis_servers.sentinel_url
        self.settings = {**SETTINGS, **self.stores.addresses(), "REDIS_URL": url, **settings}

    def start_members(self, hosts: Collection[str] = (*WORKERS, *BEATS), python: str = sys.executable) -> None:
        """Start workers and beats, each on its machine; of this release, or of that whose interpreter is given."""
        for host in hosts:
            own = ["beat"] if host in BEATS else ["worker", "-n", f"worker@{host}", "--pool", "prefork", "-c", "2"]
            command = [python, "-m", "celery", "-A", _APP, *own, "-l", "INFO"]
            self.programs.start(host, host, command, self.settings)
        self.programs.wait_until(lambda host: _SIGNS[host.partition("-")[0]] in self.programs.log(host), hosts)

    def restart_members(self, python: str = sys.executable) -> None:
        """Start all workers and beats again, with the settings of now."""
        self.programs.stop([name for name in (*WORKERS, *BEATS) if self.programs.is_alive(name)])
        self.start_members(python=python)

    def start_producer(self, host: str, name: str, python: str = sys.executable) -> None:
        """Start a producer, with conversations that no other has."""
        ledger = self.programs.home / f"{name}.ledger"
        program = [python, "-P", str(HERE / "producer.py"), name, str(ledger), str(self._conversations)]
        self._conversations += CONVERSATIONS
        self.ledgers.append(ledger)
        self.programs.start(host, name, program, self.settings)

    # Looking

    def in_flight(self) -> set[bytes]:
        """The deliveries that are not acknowledged."""
        found: Any = self.redis_servers.redis.hkeys(KEYS.unacked)
        return set(found)

    def is_idle(self) -> bool:
        """Whether no message waits or is in-flight, and no session is due."""
        with suppress(RedisError):
            waits = self.redis_servers.redis.exists(*_QUEUES, KEYS.unacked)
            return not waits and not unarchived(self.stores.registry)
        return False

    def state(self) -> str:
        """Where things stand, for an error."""
        try:
            redis = self.redis_servers.redis
            waiting = sum(int(redis.llen(queue)) for queue in _QUEUES)
            return f"waiting {waiting}, in-flight {len(self.in_flight())}, due {unarchived(self.stores.registry)}"
        except RedisError as error:
            return f"Redis says {error}"

    def letters(self) -> dict[str, str]:
        """What the dead letters say, by their ids."""
        found = DeadLetters(self.redis_servers.redis, KEYS).list(1000)
        return {letter.id: f"{letter.task}: {letter.reason}, {letter.message}" for letter in found}

    def resume_sweep(self) -> bool:
        """Let the watch resume a sweep that stalled, as if its lock's ten minutes were over; False if there is none."""
        primary = self.redis_servers.primary
        if not self.redis_servers.servers[primary].delete(LOCK):
            return False
        with Celery("operator", set_as_current=False) as app:
            app.conf.update(broker_settings(self.redis_servers.url(primary)), task_ignore_result=True)
            app.send_task("memory_graph.archival.watch", queue="memory_graph.health")
        return True

    def sweep_starts(self) -> list[float]:
        """When each sweep started that is remembered, in order, in seconds of Unix time."""
        redis: Any = self.redis_servers.redis
        ids = [one.decode() for one in redis.zrange("memory_graph:sweep:index", 0, -1)]
        found = [redis.hget(f"memory_graph:sweep:{one}", "started_at") for one in ids]
        return sorted(parse_timestamp(at.decode()).timestamp() for at in found if at)
