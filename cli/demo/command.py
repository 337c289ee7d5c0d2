"""`mgw demo`: run the whole system on a file of conversations and check every word of the archives."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ...clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from ...clients.memory_graph import MemoryGraphClient
from ...clients.registry import RegistryClient
from ...clients.vault import VaultClient
from ...schemas.registry import SessionStatus
from ..stack.directory import temporary_directory
from ..stack.processes import Children
from ..stack.stack import Stack
from ..terminal.failure import Failure
from ..terminal.output import show_json
from ..terminal.progress import Steps
from .conversations import Conversation, read_conversations, shipped
from .ledger import AGED_BY, Entry, kind_of, read_ledger
from .verification import Figures, Verifier, read_only, sessions_by_id

SWEEP_EVERY_SECS = 5
_PATIENCE_SECS = 120.0
_SETTINGS = {"ARCHIVAL_INTERVAL_HOURS": f"{SWEEP_EVERY_SECS / 3600:.6f}", "ARCHIVAL_AFTER_DAYS": "30"}


class Demo:
    """The steps of the demo, in order."""

    def __init__(self, children: Children, directory: Path, source: Path, conversations: list[Conversation]) -> None:
        self._children, self._directory, self._source, self._conversations = children, directory, source, conversations
        self._stack = Stack(children, directory, _SETTINGS)
        self._ledger = directory / "ledger.jsonl"
        self._clients = ExitStack()
        self._tokens_seen = 0

    def run(self, steps: Steps) -> Figures:
        """Run all steps and return the figures.

        Raises: Failure if a part of the system exits or makes no progress.
        """
        with self._clients:
            # The Registry dates a session's end by its own clock, so that clock is behind while aged sessions are made.
            steps.do("Starting broker, Registry, Vault and Memory-Graph", self._start)
            steps.do("Starting a worker and Flower", self._start_workers)
            self._produce(steps, "aged", f"Sessions of {AGED_BY.days} days ago")
            steps.do("Setting the Registry's clock to today", self._stack.restart_registry)
            self._produce(steps, "recent", "Sessions of today")
            self._stack.start_beat()
            due = sum(entry.kind.is_due for entry in self._entries())
            steps.wait("Beat fires the sweep: archived", self._count_archived, due, patience_secs=_PATIENCE_SECS)
            found: list[Figures] = []
            steps.do("Reading every archive back", lambda: found.append(self._verify()))
            self._children.check()
            return found[0]

    def _start(self) -> None:
        self._stack.start_services(registry_clock_offset_secs=-AGED_BY.total_seconds())
        environ = self._stack.environ | dict.fromkeys(("REGISTRY_LOGGING", "VAULT_LOGGING"), "false")
        self._registry = self._clients.enter_context(RegistryClient(RegistryConfig.from_env(environ)))
        self._vault = self._clients.enter_context(VaultClient(VaultConfig.from_env(environ)))
        graph = MemoryGraphConfig.from_env(environ | {"MEMORY_GRAPH_LOGGING": "false"})
        self._graph = self._clients.enter_context(MemoryGraphClient(graph))

    def _start_workers(self) -> None:
        self._stack.start_worker()
        self._stack.start_flower()

    def _produce(self, steps: Steps, stage: str, text: str) -> None:
        """Let the producer make the sessions of one stage, and wait until the Registry has all of them."""
        wanted = len(self._entries()) + self._count_of(stage)
        program = [sys.executable, "-m", "memory_graph_workers.cli.demo.producer", stage]
        self._children.start(
            f"producer-{stage}",
            [*program, str(self._source), str(self._ledger)],
            self._stack.child_environ(),
            may_end=True,
        )
        steps.wait(f"{text}: produced", lambda: len(self._entries()), wanted, patience_secs=_PATIENCE_SECS)
        # Long chains take turns in the queue: for a while all make progress and none is done, so tokens are the sign.
        steps.wait(
            f"{text}: in the Registry",
            self._count_settled,
            wanted,
            patience_secs=_PATIENCE_SECS,
            sign=lambda: self._tokens_seen,
        )

    def _count_of(self, stage: str) -> int:
        return sum(kind_of(index).is_due is (stage == "aged") for index in range(len(self._conversations)))

    def _entries(self) -> list[Entry]:
        return read_ledger(self._ledger)

    def _count_settled(self) -> int:
        """The number of sessions whose status and tokens in the Registry are what the producer sent."""
        known = sessions_by_id(self._registry)
        self._tokens_seen = sum(session.total_tokens for session in known.values())
        rows = [(known[entry.session_id], entry) for entry in self._entries() if entry.session_id in known]
        return sum(info.status is entry.kind.status and info.total_tokens == entry.total_tokens for info, entry in rows)

    def _count_archived(self) -> int:
        known = sessions_by_id(self._registry)
        due = [known[entry.session_id] for entry in self._entries() if entry.kind.is_due]
        return sum(session.status is SessionStatus.ARCHIVED for session in due)

    def _verify(self) -> Figures:
        verifier = Verifier(self._registry, self._vault, self._graph, read_only(self._directory / "vault.db"))
        return verifier.figures(self._conversations, self._entries())


@click.command(name="demo")
@click.option(
    "--conversations",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of conversations, one JSON object per line; default: the 400 real ones in the package.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object on standard output.")
@click.option("--keep-logs", is_flag=True, help="Keep the logs of all programs; after a failure they are always kept.")
def command(source: Path | None, as_json: bool, keep_logs: bool) -> None:
    """Watch the whole system archive real conversations, and check every word.

    Starts a broker, the three services, a worker, beat and Flower on free loopback ports. A separate
    producer loads the conversations as aged, fresh and active sessions, beat sends the sweep, and then
    every archive is read back and compared with the graph and the file. Exits with 0 only if every due
    session is archived exactly once, word for word, and no other session is. Leaves nothing behind.

    \b
    Example:
      mgw demo
      mgw demo --conversations mine.jsonl --json
    """
    started = time.monotonic()
    path = (source or shipped()).resolve()
    conversations = read_conversations(path)
    with temporary_directory(keep_logs=keep_logs) as (directory, children):
        with Steps(children.check) as steps:
            figures = Demo(children, directory, path, conversations).run(steps)
        figures.duration_ms = round((time.monotonic() - started) * 1000)
        show(figures, as_json=as_json)
        if not figures.ok:
            raise Failure(
                "The archives are not what they should be; the figures above say what is wrong. "
                "Run it again with --keep-logs and look at worker.log."
            )


def show(figures: Figures, *, as_json: bool) -> None:
    """Print the figures as one JSON object, or as a table with a hint where to look next."""
    if as_json:
        show_json(figures.as_json())
        return
    table = Table("figure", "count", title="Result")
    for name, value in figures.as_json().items():
        table.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    console.print("To explore the same stack (services, queues, Flower): [bold]make dev[/bold], or mgw dev")
