"""A whole fleet that a real Prometheus watches, and what can befall it."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port
from memory_graph_workers.clients.breaker import RedisStorage
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Reason
from memory_graph_workers.delivery.held_queues.holds import DOWN
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import connections, usage_counts
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Sweeps
from monitoring.prometheus_server import Prometheus
from support.broker import Broker
from support.forked import MGW, Forked, celery
from support.our_app import KEYS
from support.scraping import by_name, scrape
from support.waiting import LONGEST_SECS, until

MOST_LETTERS = 10
APP, ARCHIVAL = "memory_graph_workers.tasks.app", "memory_graph.archival"
# What docs/redis.md gives the user of `mgw metrics`, without a key prefix.
_USER = "on >password ~* &/0.celeryev/task.* -@all +@connection +@read +eval +psubscribe +punsubscribe +info +time"


class Fleet:
    """A Valkey, a worker, beat and its standby, and `mgw metrics` that has a user of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._processes = folder, list[Forked]()
        self.broker = Broker(folder)
        self.redis: Any = self.broker.redis
        self.redis.config_set("maxmemory", 2**30)
        self.redis.execute_command("ACL", "SETUSER", "metrics", *_USER.split())
        self._silent = socket.create_server((LOOPBACK, 0))  # a Registry that takes calls and never responds
        self._environ = {
            **os.environ,
            "REDIS_URL": self.broker.url,
            "REGISTRY_URL": f"http://{LOOPBACK}:{self._silent.getsockname()[1]}",
            "VAULT_API_KEY": "key",
            "ARCHIVAL_ENABLED": "false",
            "HEALTH_PROBES_ENABLED": "false",
            "VISIBILITY_TIMEOUT_SECS": "5",
            "DEAD_LETTERS_MAX": str(MOST_LETTERS),
        }
        self.exporter_port, self.producer_port = free_port(), free_port()

    def start(self) -> None:
        """Start all of it, and return when the exporter says that all are there."""
        self._worker = self._celery("worker", "--pool", "prefork", "-c", "1", "-l", "INFO")
        self._beat = self._celery("beat")
        url = self.broker.url.replace("://", "://metrics:password@")
        self.exporter = self._run(MGW, "metrics", "--port", str(self.exporter_port), REDIS_URL=url)
        until(lambda: self._says(workers=1, beats=1, beat_lock_held=1, events_connected=1))
        self._standby = self._celery("beat")
        until(lambda: self._says(beats=2))

    def stop(self) -> None:
        """End what is left of it."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(LONGEST_SECS)
        self._silent.close()
        self.redis.close()
        self.broker.stop()

    # What can befall it

    def lose_worker_and_standby(self) -> None:
        """Kill the worker at work, while another task waits, and one of two beats."""
        assert self._run("producer", "enqueue").wait(LONGEST_SECS) == 0
        until(lambda: self._has_failed() and self._messages("in_flight") and self._messages("waiting"))
        os.killpg(self._worker.pid, signal.SIGKILL)
        self._standby.kill()

    def lose_services(self) -> None:
        """Let the Vault be down, and a queue be held for its dead letters, as a leading worker writes it."""
        HoldStore(self.redis, KEYS).put("vault", 0, DOWN)
        HoldStore(self.redis, KEYS).note_full(ARCHIVAL)
        RedisStorage(self.redis, "vault").state = "open"

    def decide_by_hand(self) -> None:
        """Let somebody hold a queue, and keep another one free."""
        HoldStore(self.redis, KEYS).hold_by_hand(ARCHIVAL, "ann", "the graph moves")
        HoldStore(self.redis, KEYS).release_by_hand("memory_graph.vault", "ann", "its breaker is wrong")

    def fail_tasks(self) -> None:
        """Let more tasks fail for good than letters are kept, a message be junk, and usage reports be refused."""
        letters = DeadLetters(self.redis, KEYS, Bounds(most=MOST_LETTERS))
        task = "memory_graph.registry.get_session"
        for number in range(MOST_LETTERS + 2):
            letters.add(DeadLetter(f"s-{number}", Reason.FAILED, "memory_graph.registry", task=task, payload={}))
        letters.quarantine(b"junk", ARCHIVAL)
        with self._state():
            usage_counts.count(usage_counts.FAILED, 3)

    def fail_a_sweep(self) -> None:
        """Let a sweep end that has seen a part of the sessions, and failed on one."""
        sweeps = Sweeps(self.redis)
        sweeps.begin("sweep", Trigger.MANUAL, now())
        sweeps.keep_page("sweep", Page(Position(index=0), {"batch": ["s-1", "s-2"]}, Cursor(2)))
        sweeps.finish_batch("sweep", "batch", ["s-1", "s-2"], BatchResult(1, failed={"s-2": "why"}))
        sweeps.close("sweep", "the registry did not answer")

    def cut_off_a_producer(self) -> None:
        """Start a producer that reaches no Redis."""
        self._run("producer", "report", str(self.producer_port), REDIS_URL=f"redis://{LOOPBACK}:{free_port()}/0")

    def stop_schedule(self) -> None:
        """Stop beat, which releases its lock, and pause the sweeps."""
        self._beat.terminate()
        self._beat.wait()
        Sweeps(self.redis).pause()

    def take_rights(self) -> None:
        """Take rights from the user of `mgw metrics`: to subscribe, and a command that it reads held services with."""
        self.redis.execute_command("ACL", "SETUSER", "metrics", "resetchannels", "-hkeys")

    def fill_redis(self) -> None:
        """Let Redis use as much memory as it may have."""
        self.redis.config_set("maxmemory", int(0.95 * self.redis.info("memory")["used_memory"]))

    def demote_redis(self) -> None:
        """Make Redis a replica, of a primary that is not there."""
        self.redis.config_set("maxmemory", 0)
        self.redis.replicaof(LOOPBACK, free_port())

    def _celery(self, kind: str, *options: str) -> Forked:
        log = self._folder / f"{kind}-{len(self._processes)}.log"
        started = celery(["-A", APP, kind, *options], self._environ, log, self._folder)
        self._processes.append(started)
        return started

    def _run(self, module: str, *arguments: str, **environ: str) -> Forked:
        log = self._folder / f"{module}-{len(self._processes)}.log"
        streams = (Path(os.devnull), log, log)
        started = Forked(module, arguments, self._environ | environ, Path(__file__).parent, streams)
        self._processes.append(started)
        return started

    def _says(self, **values: float) -> bool:
        """Whether the exporter says these values of metrics without labels."""
        try:
            found = scrape(self.exporter_port)
        except OSError:
            return False
        return all(found.get((f"mgw_{name}",)) == value for name, value in values.items())

    def _messages(self, state: str) -> float:
        """How many messages of all queues are in a state."""
        return sum(by_name(scrape(self.exporter_port), f"queue_messages_{state}").values())

    def _has_failed(self) -> bool:
        """Whether the exporter has heard of a failed task."""
        found = scrape(self.exporter_port)
        return any(value for key, value in found.items() if key[:2] == ("mgw_task_runs_total", "failed"))

    @contextmanager
    def _state(self) -> Iterator[None]:
        """Let this process use the fleet's Redis as a worker does."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REDIS_URL", self.broker.url)
            connections.forget()
            yield
            connections.redis().close()
            connections.forget()


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Fleet, Prometheus]]:
    """A fleet, and the Prometheus that has begun to watch it when all are there."""
    fleet = Fleet(folder)
    try:
        fleet.start()
        prometheus = Prometheus(folder, fleet.exporter_port, fleet.producer_port)
        try:
            prometheus.wait_ready()
            yield fleet, prometheus
        finally:
            prometheus.stop()
    finally:
        fleet.stop()
