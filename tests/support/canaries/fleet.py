"""A whole stack at its most talkative, and all that it lets be seen."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.cli.stack.servers import wait_for_child
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from redis import Redis
from support.forked import mgw
from support.our_app import KEYS
from support.waiting import LONGEST_SECS

from .places import PAGES, TASK_PAGES, WORKER_PAGES, Events
from .words import word

PRODUCER = Path(__file__).with_name("producer.py")
ENCRYPTION_KEY = "vault-encryption.key"
COMMANDS = (
    ("sweep", "--dry-run"), ("sweep", "--now"), ("sweeps", "list"), ("dead", "list"),
    ("dead", "list", "--all"), ("dead", "list", "--all", "--json"),
)  # fmt: skip


@dataclass
class Fleet:
    """A stack, and all that was seen while it worked."""

    stack: Stack
    run: str = field(default_factory=lambda: uuid4().hex)
    words: dict[str, str] = field(default_factory=dict[str, str])
    produced: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    said: list[str] = field(default_factory=list[str])

    def plant(self, place: str) -> str:
        return self.words.setdefault(place, word(place, self.run))

    def __enter__(self) -> Self:
        self.redis = Redis.from_url(self.stack.environ["REDIS_URL"])
        self.events = Events(self.stack.environ["REDIS_URL"])
        return self

    def __exit__(self, *error: object) -> None:
        self.events.stop()
        self.redis.close()

    @property
    def keys(self) -> dict[str, str]:
        return vars(self.stack.keys) | {"encryption": (self.stack.directory / ENCRYPTION_KEY).read_text().strip()}

    def celery(self, *arguments: str) -> Child:
        """Start a worker or beat that logs all it can."""
        command = [sys.executable, "-m", "celery", "-A", "memory_graph_workers.tasks.app", *arguments, "-l", "DEBUG"]
        return self.stack.children.start(arguments[0], command, self.stack.child_environ())

    def start_worker(self) -> Child:
        worker = self.celery("worker", "--pool", "prefork", "-c", "2", "-E")
        before = worker.log.read_text().count("ready.")
        wait_for_child(worker, lambda: worker.log.read_text().count("ready.") > before)
        return worker

    def produce(self, mode: str, *arguments: str) -> None:
        """Run the producer, and keep what it saw and logged."""
        command = [sys.executable, str(PRODUCER), mode, self.run, *arguments]
        environ = self.stack.child_environ()
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONGEST_SECS)
        assert done.returncode == 0, done.stderr
        self.produced[mode] = json.loads(done.stdout)
        self.words |= self.produced[mode].pop("planted")
        self.said.append(done.stderr)

    def mgw(self, *arguments: str) -> str:
        done = mgw(*arguments, environ=self.stack.child_environ())
        self.said.append(done.stdout + done.stderr)
        return done.stdout

    def command(self) -> None:
        """Run the commands that a person looks with."""
        for arguments in COMMANDS:
            said = self.mgw(*arguments)
        for letter in json.loads(said)["letters"]:
            if letter["reason"] in ("failed", "invalid_payload"):
                self.mgw("dead", "show", letter["id"])
                break
        newest = json.loads(self.mgw("sweeps", "list", "--json"))["sweeps"][0]
        self.mgw("sweeps", "show", newest["sweep_id"])

    def answers(self) -> dict[str, Any]:
        """What the producer was answered, by label."""
        return {label: answer for seen in self.produced.values() for label, answer in seen["answers"].items()}

    def results_of(self, labels: Iterable[str]) -> set[str]:
        """The keys of these results."""
        return {f"celery-task-meta-{self.produced['honest']['ids'][label]}" for label in labels}

    def letters(self) -> list[DeadLetter]:
        return DeadLetters(self.redis, KEYS).list(1000)

    def pages(self) -> list[str]:
        """Flower's pages: those of all, of the worker, of each task that the producer sent, and of each dead letter."""
        worker = next(str(event["hostname"]) for event in self.events.seen if event["type"] == "worker-heartbeat")
        ids = [task_id for seen in self.produced.values() for task_id in seen["ids"].values()]
        tasks = [path.format(id=task_id) for path in TASK_PAGES for task_id in ids]
        letters = [f"/dead-letters/letter/{quote(letter.id, safe='')}" for letter in self.letters()]
        return [*PAGES, *(path.format(worker=worker) for path in WORKER_PAGES), *tasks, *letters]

    def converse(self) -> str:
        """Conversations that are due: one to archive, one too large for the vault, one that is not in the graph."""
        environ = self.stack.environ
        ids = [self._talk("conversation"), self._talk("large-conversation", "x" * 300_000), "not-in-the-graph"]
        with RegistryClient(RegistryConfig.from_env(environ)) as registry:
            for session_id in ids:
                registry.register_session(SessionRegistration(session_id, "m"))
                registry.update_session_status(session_id, SessionStatus.COMPLETED)
        return ids[0]

    def _talk(self, place: str, more: str = "") -> str:
        with MemoryGraphClient(MemoryGraphConfig.from_env(self.stack.environ)) as graph:
            session_id = graph.create_session({"note": self.plant("graph-metadata")}).id
            prompt = graph.add_prompt(session_id, self.plant(f"{place}-prompt"))
            graph.add_response(prompt.id, self.plant(f"{place}-response") + more)
        return session_id
