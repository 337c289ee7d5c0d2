"""A whole fleet to break: real broker, services, workers and beat, with a fault proxy before Registry and Vault."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.processes import Child, Children
from memory_graph_workers.cli.stack.servers import Running, wait_for_child
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters
from redis import Redis
from redis.exceptions import RedisError
from support.broker import answers
from support.forked import ForkedChildren
from support.our_app import KEYS
from support.sentinels import address, sentinels
from support.servers import ON

from .effects import Effects
from .proxy import Proxy
from .template import copy_template

HERE = Path(__file__).parent
REGISTRY, VAULT, ARCHIVAL, HEALTH = (f"memory_graph.{name}" for name in ("registry", "vault", "archival", "health"))
QUEUES = (REGISTRY, VAULT, ARCHIVAL, HEALTH)
TIMEOUT_SECS = 5  # the visibility timeout, unless a row says otherwise
SETTINGS = {"ARCHIVAL_BATCH_SIZE": "20", "VISIBILITY_TIMEOUT_SECS": str(TIMEOUT_SECS), "HEALTH_PROBES_ENABLED": "false"}


# The matrix breaks programs that were started as anybody starts them; a test of `make test` spares their imports.
PROGRAMS: type[Children] = Children if os.environ.get("CHAOS") else ForkedChildren


def until(holds: Callable[[], object], secs: float, what: str) -> None:
    """Wait for something to come to pass."""
    end = time.monotonic() + secs
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {secs:.0f} s: {what}")
        time.sleep(0.05)


class Fleet:
    """One stack with its proxies, workers and the work that was given to it."""

    def __init__(self, stack: Stack, sessions: list[str], exits: ExitStack) -> None:
        self.stack, self.sessions = stack, sessions
        self.registry = exits.enter_context(Proxy(stack.port("registry")))
        self.vault = exits.enter_context(Proxy(stack.port("vault")))
        stack.environ |= {
            "REGISTRY_URL": f"http://{LOOPBACK}:{self.registry.port}",
            "VAULT_URL": f"http://{LOOPBACK}:{self.vault.port}",
        }
        self._exits = exits
        self.redis_url = stack.environ["REDIS_URL"]  # of the server itself, whoever is asked for it
        self.use_redis(self.redis_url)
        self.workers: list[Child] = []
        self.reports: list[int] = []
        self.sweep_id = ""

    # The parts

    def use_redis(self, url: str) -> None:
        """Look into this Redis from now on, and send to it."""
        self.redis = self._exits.enter_context(Redis.from_url(url))
        self.dead = DeadLetters(self.redis, KEYS)
        self.producer = self._exits.enter_context(Celery("producer", set_as_current=False))
        self.producer.conf.update(broker_settings(url), task_ignore_result=True)

    def start_worker(self, *prefix: str, off: str = "", queues: Sequence[str] = QUEUES, **environ: str) -> Child:
        """Start a worker (`prefix` runs it, as faketime does) with a mechanism switched off, or none."""
        name = f"worker-{len(self.workers) + 1}"
        command = [sys.executable, "-m", "celery", "-A", "worker_app", "worker", "--pool", "prefork", "-n", name]
        options = ["-c", "2", "-l", "INFO", "-Q", ",".join(queues)]
        settings = {**self.stack.child_environ(), "PYTHONPATH": str(HERE), "SWITCHED_OFF": off, **environ}
        worker = self.stack.children.start(name, [*map(_found, prefix), *command, *options], settings)
        self.workers.append(worker)
        return worker

    def start_workers(self, number: int = 2, **options: Any) -> list[Child]:
        """Start workers side by side, and wait until all are ready."""
        started = [self.start_worker(**options) for _ in range(number)]
        for worker in started:
            self.wait_ready(worker)
        return started

    @staticmethod
    def wait_ready(worker: Child) -> None:
        wait_for_child(worker, lambda: "ready." in worker.log.read_text(errors="replace"))

    def kill(self, child: Child) -> None:
        """End a program and all its children at once, as a lost machine does."""
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def part(self, name: str) -> Running:
        """A server of the stack: broker, registry, vault, memory-graph."""
        return self.stack._running[name]

    def watch_redis(self, home: Path) -> None:
        """Let three sentinels watch the broker, and every program that starts from now on ask them for it."""
        asked = sentinels(home, self.stack.port("broker"), self.stack.keys.broker)
        for one in asked:
            self._exits.callback(one.stop)
            until(lambda one=one: answers(one.redis), 60, "a sentinel serves")
        self.stack.environ["REDIS_URL"] = address(asked, self.stack.keys.broker)

    # The work

    def send(
        self, name: str, queue: str, task_id: str | None = None, countdown_secs: float | None = None, **kwargs: Any
    ) -> str:
        """Send a task by its name, as a producer in any language does; returns its id."""
        task_id = task_id or str(uuid4())
        options: dict[str, Any] = {"queue": queue, "task_id": task_id, "countdown": countdown_secs}
        self.producer.send_task(f"memory_graph.{name}", kwargs=kwargs, **options)
        return task_id

    def report_usage(self, number: int = 2000) -> None:
        """Send so many usage reports, each with a number of its own."""
        for _ in range(number):
            self.reports.append(len(self.reports))
            self.send_report(self.reports[-1])

    def send_report(self, number: int, session_id: str = "", countdown_secs: float | None = None) -> str:
        """Send the report with this number, about this session or any."""
        report = {
            "session_id": session_id or self.sessions[number % len(self.sessions)],
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "metadata": {"number": number},
        }
        return self.send("registry.track_usage", REGISTRY, f"report-{number}", countdown_secs, report=report)

    def sweep(self) -> None:
        """Ask for a sweep."""
        self.sweep_id = self.send("archival.sweep", ARCHIVAL)

    def work(self, reports: int = 2000) -> None:
        """Ask for a sweep over all sessions, with usage reports beside it."""
        self.sweep()
        self.report_usage(reports)

    # Looking

    def effects(self) -> Effects:
        """What the services' databases say."""
        return Effects.of(self.stack.directory)

    def sweep_field(self, name: str, sweep_id: str | None = None) -> str:
        """A field of the sweep's state."""
        found: Any = self.redis.hget(f"memory_graph:sweep:{sweep_id or self.sweep_id}", name)
        return found.decode() if found else ""

    def swept(self) -> bool:
        """Whether the sweep, if one was asked for, has ended."""
        return not self.sweep_id or self.sweep_field("status") in ("completed", "incomplete")

    def in_hand(self) -> set[bytes]:
        """The deliveries that are not acknowledged."""
        return set(self.redis.hkeys("unacked"))

    def waiting(self) -> int:
        """How many messages wait in the queues."""
        return sum(int(self.redis.llen(queue)) for queue in QUEUES)

    def is_idle(self) -> bool:
        """Whether all that was sent is over; one look at all places, for messages go to and fro between them."""
        try:
            return self.swept() and not self.redis.exists(*QUEUES, "unacked")
        except RedisError:
            return False

    def settles(self, secs: float = 120) -> bool:
        """Wait until all work is over; False where it is not in time, or nobody is left to do it."""
        try:
            until(lambda: self.is_idle() or not any(worker.is_alive for worker in self.workers), secs, "all work over")
        except TimeoutError:
            return False
        return self.is_idle()

    def figures(self) -> dict[str, Any]:
        """What the sweep says of itself: how it ended, and its counts."""
        counts = {name: int(self.sweep_field(name) or 0) for name in ("archived", "failed", "skipped")}
        return {"status": self.sweep_field("status"), **counts}

    def state(self) -> str:
        """Where things stand, for an error."""
        return f"waiting {self.waiting()}, in-flight {len(self.in_hand())}, sweep {self.sweep_field('status') or '-'}"

    def attempts_spent(self) -> int:
        """How many attempts were spent on all that waits or is in-flight; each once, for a message that is sent again
        is there twice until the first is acknowledged."""
        with self.redis.pipeline(transaction=True) as pipe:  # one look: a worker takes messages between two
            for queue in QUEUES:
                pipe.lrange(queue, 0, -1)
            pipe.hvals("unacked")
            *queues, taken = pipe.execute()
        messages = [json.loads(item) for items in queues for item in items] + [json.loads(item)[0] for item in taken]
        spent: dict[str, int] = {}
        for headers in (message["headers"] for message in messages):
            spent[headers["id"]] = max(spent.get(headers["id"], 0), int(headers.get("retries") or 0))
        return sum(spent.values())

    @staticmethod
    def memory_bytes(worker: Child, kind: str = "VmRSS") -> int:
        """What a worker's parent holds in memory; `VmHWM` is the most that it ever held."""
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(kind))

    def letters(self) -> list[DeadLetter]:
        """The dead letters."""
        return self.dead.list(10_000)

    def recovery_secs(self, held: Iterable[bytes], since: float, limit_secs: float) -> float:
        """Seconds from `since` until none of these deliveries is in its old hand."""
        left = set(held)
        while left and time.monotonic() < since + limit_secs:
            time.sleep(0.05)
            left &= self.in_hand()
        return time.monotonic() - since if not left else float("inf")


@contextmanager
def running_fleet(
    home: Path,
    template: Path,
    sessions: list[str],
    *,
    disk: Path | None = None,
    broker_disk: Path | None = None,
    watched: bool = ON == "sentinel",
    **settings: str,
) -> Generator[Fleet]:
    """A fleet without workers yet, over a copy of the template; all of it ends with the block.

    The databases of Registry and Vault lie on `disk`, where one is given, and Redis' files on `broker_disk`. A row that
    makes a failover of its own says that no sentinels watch, which would undo it (`make chaos ARGS="--on sentinel"`).
    """
    (home / "logs").mkdir(parents=True)
    copy_template(template, home)
    if disk is not None:
        _move_databases(home, disk)
    if broker_disk is not None:
        (home / "broker").symlink_to(broker_disk)
    with PROGRAMS(home / "logs", grace_secs=3) as children, ExitStack() as exits:
        stack = Stack(children, home, {**SETTINGS, **settings})
        stack.start_services()
        fleet = Fleet(stack, sessions, exits)
        if watched:
            fleet.watch_redis(home)
        yield fleet
        for worker in fleet.workers:  # what they still do does not matter
            fleet.kill(worker)


def _found(program: str) -> str:
    return shutil.which(program) or program


def _move_databases(home: Path, disk: Path) -> None:
    for path in home.glob("registry.db*"):
        shutil.move(path, disk)
    for name in ("registry.db", "vault.db"):
        (home / name).symlink_to(disk / name)
