"""The steps of the demo, in order. Import it when no setting of another deployment is in the environment any more."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from ...clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from ...clients.memory_graph import MemoryGraphClient
from ...clients.registry import RegistryClient
from ...clients.vault import VaultClient
from ...delivery import installed
from ...delivery.connections.connection import connect
from ...schemas.registry import SessionInfo, SessionStatus
from ...tasks.app import app
from ...tasks.archival.state import Sweep, Sweeps
from ..stack.ports import LOOPBACK
from ..stack.processes import Child
from ..stack.stack import Stack
from ..terminal.failure import Failure
from .conversations import Conversation
from .faults import Faults
from .journey import Journey
from .ledger import AGED_BY, Entry, kind_of, read_ledger
from .story import Story
from .verification import Figures, Outcome, Verifier, read_only, sessions_by_id

# Nobody waits a day for beat's first sweep. The interval of the workers stays a day: one sweep has to archive all.
BEAT_SETTINGS = {"ARCHIVAL_INTERVAL_HOURS": f"{1 / 3600:.6f}"}
# A killed worker's tasks are back after this: the least that the setting allows.
VISIBILITY_SECS = 5
_BATCHES, _LARGEST_BATCH = 28, 10  # so many batches that the faults come between two of them

# A line for each request would take a tenth of the time.
_QUIET = dict.fromkeys(("REGISTRY_LOGGING", "VAULT_LOGGING", "MEMORY_GRAPH_LOGGING"), "false")

_PATIENCE_SECS = 120.0
_SWEEP_PATIENCE_SECS = 80.0  # more than a circuit breaker's pause
_REDIS_SECS = 10.0
_LOOK_EVERY_SECS = 0.25


def settings(conversations: Sequence[Conversation]) -> dict[str, str]:
    """What every part of the demo's stack is told."""
    due = sum(kind_of(index).is_due for index in range(len(conversations)))
    return {
        "ARCHIVAL_AFTER_DAYS": "30",
        "ARCHIVAL_BATCH_SIZE": str(max(1, min(due // _BATCHES, _LARGEST_BATCH))),
        "VISIBILITY_TIMEOUT_SECS": str(VISIBILITY_SECS),
        **_QUIET,
    }


class Demo:
    """One run on a stack of its own."""

    def __init__(self, stack: Stack, story: Story, source: Path, conversations: list[Conversation]) -> None:
        self._stack, self._story, self._source, self._conversations = stack, story, source, conversations
        self._ledger = stack.directory / "ledger.jsonl"
        self._due = sum(kind_of(index).is_due for index in range(len(conversations)))
        self._exits = ExitStack()
        self._workers: list[Child] = []
        self._known: dict[str, SessionInfo] = {}
        self._looked_at = 0.0

    @property
    def flower(self) -> str:
        """The address of Flower, which serves as long as the demo runs."""
        return f"http://{LOOPBACK}:{self._stack.port('flower')}"

    def run(self, *, calm: bool) -> Figures:
        """Run all steps and return the figures; `calm` breaks nothing on the way.

        Raises: Failure if a part of the system exits or makes no progress.
        """
        with self._exits:
            self._start()
            self._produce("aged")
            self._start_second_worker()
            self._show_flower()
            self._wait_until_settled(self._due, f"{self._due} conversations of {AGED_BY.days} days ago")
            self._sweep(calm=calm)
            self._wait_until_settled(len(self._conversations), f"{len(self._conversations) - self._due} of today")
            self._wait_for_redelivery()
            figures = self._verify()
            self._stack.children.check()
            self._stack.children.kill_all()  # what they keep is deleted with the directory
            return figures

    def _start(self) -> None:
        stack, story = self._stack, self._story
        story.tell("Starting a broker, the Registry, the Vault, the Memory-Graph, two workers and Flower")
        # The Registry dates a session's end by its own clock, so that clock is behind while aged sessions are made.
        stack.start_services(registry_clock_offset_secs=-AGED_BY.total_seconds())
        self._workers = [stack.start_worker("worker-1", wait=False)]
        stack.start_flower(wait=False)
        environ = stack.environ
        self._registry = self._exits.enter_context(RegistryClient(RegistryConfig.from_env(environ)))
        self._vault = self._exits.enter_context(VaultClient(VaultConfig.from_env(environ)))
        self._graph = self._exits.enter_context(MemoryGraphClient(MemoryGraphConfig.from_env(environ)))
        redis = self._exits.enter_context(
            connect(environ["REDIS_URL"], timeout_secs=_REDIS_SECS, connect_timeout_secs=_REDIS_SECS)
        )
        self._sweeps = Sweeps(redis)
        self._redis, self._keys = redis, installed(app).keys
        self._faults = Faults(stack, story, redis, self._keys)
        followed = next(each for index, each in enumerate(self._conversations) if kind_of(index).is_due)
        self._journey = Journey(followed, self._registry, self._is_found, story.tell)
        story.tell(f"The services serve; from here on one conversation is followed: {followed.conversation_id}")

    def _start_second_worker(self) -> None:
        """Start the worker that is to be killed once the other one leads: a leader has no heir for half a minute.

        Raises: Failure if no worker leads in time.
        """
        self._wait_for("worker-1", "does not lead", lambda: self._redis.exists(self._keys.leader))
        self._workers.append(self._stack.start_worker("worker-2", wait=False))

    def _wait_for(self, what: str, lacks: str, holds: Callable[[], object]) -> None:
        if not self._story.wait_for(holds, _PATIENCE_SECS):
            raise Failure(f"{what} {lacks} after {_PATIENCE_SECS:.0f} s. Look at the logs.")

    def _show_flower(self) -> None:
        self._wait_for("Flower", "does not serve", lambda: self._stack.serves("flower"))
        login = f"user mgw, password {self._stack.keys.flower}"
        self._story.tell(f"Flower shows the workers at {self.flower} until the demo ends ({login})")

    def _produce(self, stage: str) -> None:
        """Start the producer of one stage."""
        program = [sys.executable, "-m", "memory_graph_workers.cli.demo.producer", stage]
        command = [*program, str(self._source), str(self._ledger)]
        self._stack.children.start(f"producer-{stage}", command, self._stack.child_environ(), may_end=True)

    def _wait_until_settled(self, wanted: int, text: str) -> None:
        """Wait until the producer has made so many sessions, and the Registry has each with its tokens and status."""
        # Long chains take turns in the queue: for a while all make progress and none is done, so tokens are the sign.
        self._story.wait(
            f"{text}, registered and counted",
            self._count_settled,
            wanted,
            patience_secs=_PATIENCE_SECS,
            sign=lambda: (len(self._entries()), self._tokens()),
        )
        self._story.tell(f"{text} are in the Registry, with their usage and status")

    def _sweep(self, *, calm: bool) -> None:
        """Let beat start the sweep while the producer goes on, and wait until everything due is archived."""
        self._stack.wait_for_worker(self._workers[1])
        self._stack.restart_registry()
        beat = self._stack.start_beat(BEAT_SETTINGS)
        self._produce("recent")
        self._story.tell("The Registry's clock is set to today; beat runs, and conversations of today follow")
        self._wait_for("The sweep", "has not started", lambda: self._newest_sweep() is not None)
        self._stack.children.kill(beat)  # its next sweeps would only wait in front of this one's batches
        self._story.tell("The sweep that beat sent has started")
        if not calm:
            self._wait_for("The first batch of the sweep", "is not done", self._has_begun)
            self._faults.kill_worker(self._workers[1], self._workers[0], self._is_over)
            self._faults.take_vault_away(self._said_progress, self._is_over)
        self._story.wait("Archived", self._count_archived, self._due, patience_secs=_SWEEP_PATIENCE_SECS)
        self._story.tell(f"All {self._due} conversations that are due are archived")

    def _wait_for_redelivery(self) -> None:
        damage = self._faults.damage

        def redelivered() -> int:
            self._faults.look()
            return damage.redelivered_tasks

        text, wanted = "Tasks of the killed worker", damage.interrupted_tasks
        self._story.wait(text, redelivered, wanted, patience_secs=_SWEEP_PATIENCE_SECS)

    def _verify(self) -> Figures:
        self._story.tell("Now every archive is read back, and compared with the graph and the file")
        verifier = Verifier(self._registry, self._vault, self._graph, read_only(self._stack.directory / "vault.db"))
        figures = verifier.figures(self._conversations, self._entries())
        for name, value in asdict(self._faults.damage).items():
            setattr(figures, name, value)
        followed = self._followed()
        if followed and verifier.outcome(followed, self._conversations[followed.index]) is Outcome.VERIFIED:
            self._journey.read_back()
        return figures

    def _entries(self) -> list[Entry]:
        return read_ledger(self._ledger)

    def _look(self) -> None:
        """Read the Registry's sessions, and tell what is new."""
        self._looked_at = time.monotonic()
        self._known = sessions_by_id(self._registry)
        followed = self._followed()
        self._journey.look(followed, self._known.get(followed.session_id) if followed else None)
        self._faults.look()

    def _followed(self) -> Entry | None:
        return next((entry for entry in self._entries() if entry.kind.is_due), None)

    def _tokens(self) -> int:
        return sum(session.total_tokens for session in self._known.values())

    def _count_settled(self) -> int:
        """The number of sessions whose status and tokens in the Registry are what the producer sent."""
        self._look()
        return sum(self._is_settled(entry) for entry in self._entries())

    def _is_settled(self, entry: Entry) -> bool:
        session = self._known.get(entry.session_id)
        # The sweep runs beside the producer: what is due may be archived meanwhile.
        statuses = {entry.kind.status, SessionStatus.ARCHIVED} if entry.kind.is_due else {entry.kind.status}
        return session is not None and session.status in statuses and session.total_tokens == entry.total_tokens

    def _count_archived(self) -> int:
        self._look()
        return self._archived

    @property
    def _archived(self) -> int:
        due = [self._known.get(entry.session_id) for entry in self._entries() if entry.kind.is_due]
        return sum(session is not None and session.status is SessionStatus.ARCHIVED for session in due)

    def _has_begun(self) -> bool:
        """Whether a batch of the sweep is done."""
        self._look_now_and_then()
        sweep = self._newest_sweep()
        return sweep is not None and sum(sweep.counts) > 0

    def _is_over(self) -> bool:
        self._look_now_and_then()
        return self._archived == self._due

    def _look_now_and_then(self) -> None:
        if time.monotonic() - self._looked_at > _LOOK_EVERY_SECS:
            self._look()

    def _said_progress(self) -> str:
        return f"{self._count_archived()} of {self._due} archived"

    def _newest_sweep(self) -> Sweep | None:
        return next(self._sweeps.newest(1), None)

    def _is_found(self, session_id: str) -> bool:
        sweep = self._newest_sweep()
        return sweep is not None and not self._sweeps.untaken(sweep.sweep_id, [session_id])
