"""Checks the work of the sweep from outside: compares every archive with the graph and the file, word for word."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from sqlalchemy import URL, NullPool, create_engine, text

from ...clients.errors import Refused
from ...clients.memory_graph import MemoryGraphClient
from ...clients.registry import RegistryClient
from ...clients.vault import VaultClient
from ...schemas.jcs import is_intact
from ...schemas.registry import SessionInfo, SessionStatus
from ...schemas.vault import ArchiveEntry
from ...tasks.archival.session import archive_id_of
from .conversations import OPENING, RESPONSE, TOOL, Conversation, Message
from .ledger import Entry

_NOT_FOUND = 404
_CALLS_AT_ONCE = 4
# The lists in an archive, the kind of graph node in each, and the field that holds the text.
_LISTS = {
    "prompts": ("prompt", "content"),
    "responses": ("response", "content"),
    "tool_invocations": ("tool_invocation", "result"),
}


class Outcome(Enum):
    """What a session's archive is, compared with the graph and the file."""

    VERIFIED = auto()
    MISSING = auto()
    MISMATCHED = auto()


@dataclass
class Figures:
    """The result of the demo, counted from the services and compared with what the producer sent."""

    sessions: int = 0
    registered: int = 0
    usage_reports: int = 0
    due: int = 0
    archived: int = 0
    verified: int = 0
    mismatched: int = 0
    missing: int = 0
    duplicated: int = 0
    not_due_archived: int = 0
    usage_mismatched: int = 0
    killed_workers: int = 0
    interrupted_tasks: int = 0
    redelivered_tasks: int = 0
    redelivered_secs: float = 0.0
    vault_away_secs: float = 0.0
    duration_ms: int = 0
    ok: bool = False

    @property
    def lost(self) -> int:
        """How many due sessions have no archive, or none that is as it should be, or are not marked as archived."""
        return self.due - min(self.archived, self.verified)

    def judge(self, usage_reports_sent: int) -> None:
        """Set `ok`: whether everything is as it should be."""
        bad = (self.mismatched, self.missing, self.duplicated, self.not_due_archived, self.usage_mismatched)
        self.ok = (
            not any(bad)
            and self.registered == self.sessions
            and self.usage_reports == usage_reports_sent
            and self.due == self.archived == self.verified
        )

    def as_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


class Verifier:
    """Reads the services as anybody with their keys can, and compares."""

    def __init__(
        self, registry: RegistryClient, vault: VaultClient, graph: MemoryGraphClient, vault_database: URL
    ) -> None:
        self._registry, self._vault, self._graph, self._vault_database = registry, vault, graph, vault_database

    def figures(self, conversations: list[Conversation], ledger: list[Entry]) -> Figures:
        """Read everything and return the figures."""
        known = sessions_by_id(self._registry)
        copies = self._archives_per_session()
        due = [entry for entry in ledger if entry.kind.is_due]
        figures = Figures(sessions=len(conversations), registered=len(known), due=len(due))
        figures.archived = sum(_status(known, entry) is SessionStatus.ARCHIVED for entry in due)
        figures.duplicated = sum(copies[entry.session_id] > 1 for entry in due)
        figures.not_due_archived = sum(
            _status(known, entry) is SessionStatus.ARCHIVED or copies[entry.session_id] > 0
            for entry in ledger
            if not entry.kind.is_due
        )
        self._compare_content(figures, conversations, due)
        self._compare_usage(figures, [entry for entry in ledger if entry.session_id in known])
        figures.judge(sum(entry.reports for entry in ledger))
        return figures

    def _compare_content(self, figures: Figures, conversations: list[Conversation], due: list[Entry]) -> None:
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
            found = Counter(pool.map(self.outcome, due, [conversations[entry.index] for entry in due]))
        figures.verified, figures.missing, figures.mismatched = (found[outcome] for outcome in Outcome)

    def outcome(self, entry: Entry, conversation: Conversation) -> "Outcome":
        """Compare a session's archive with the graph and the file."""
        archive = self._archived(entry.session_id)
        if archive is None:
            return Outcome.MISSING
        return Outcome.VERIFIED if self._is_faithful(archive, entry.session_id, conversation) else Outcome.MISMATCHED

    def _compare_usage(self, figures: Figures, ledger: list[Entry]) -> None:
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
            usages = list(pool.map(self._registry.get_session_usage, [entry.session_id for entry in ledger]))
        for entry, usage in zip(ledger, usages, strict=True):
            figures.usage_reports += usage.total_responses
            found = (usage.total_responses, usage.total_prompt_tokens, usage.total_completion_tokens)
            figures.usage_mismatched += found != (entry.reports, entry.prompt_tokens, entry.completion_tokens)

    def _archived(self, session_id: str) -> ArchiveEntry | None:
        try:
            return self._vault.retrieve_session(archive_id_of(session_id))
        except Refused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _is_faithful(self, archive: ArchiveEntry, session_id: str, conversation: Conversation) -> bool:
        data = archive.data
        is_its_own = data["session_id"] == session_id and is_intact(data, archive.metadata)
        return is_its_own and self._is_as_in_graph(data, session_id) and said(data) == conversation.messages

    def _is_as_in_graph(self, data: Any, session_id: str) -> bool:
        nodes = list(self._graph.iter_nodes(session_id))
        return all(
            _rows(nodes, kind, text) == [(row["id"], row.get(text, "")) for row in data[name]]
            for name, (kind, text) in _LISTS.items()
        )

    def _archives_per_session(self) -> Counter[str]:
        """The number of archives of each session, from the vault's database: its API has no listing."""
        with create_engine(self._vault_database, poolclass=NullPool).connect() as database:
            rows = database.execute(text("SELECT session_id, count(*) FROM archives GROUP BY session_id"))
            return Counter({str(session_id): int(count) for session_id, count in rows})


def read_only(file: Path) -> URL:
    """The URL of an SQLite file, opened read-only."""
    return URL.create("sqlite", database=file.as_uri(), query={"mode": "ro", "uri": "true"})


def sessions_by_id(registry: RegistryClient) -> dict[str, SessionInfo]:
    """Every session that the Registry knows."""
    return {session.session_id: session for session in registry.iter_sessions(page_size=500)}


def said(data: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of an archive, in the order of the conversation."""
    return tuple(_walk(data))


def _walk(data: Mapping[str, Any]) -> Iterator[Message]:
    for prompt in data["prompts"]:
        role = prompt["metadata"]["custom"]["role"]
        if role != OPENING:
            yield Message(role, prompt.get("content", ""))
        for response in _of(data["responses"], "prompt_id", prompt["id"]):
            yield Message(RESPONSE, response.get("content", ""))
            for tool in _of(data["tool_invocations"], "response_id", response["id"]):
                yield Message(TOOL, tool.get("result", ""))


def _of(rows: Iterable[Mapping[str, Any]], name: str, value: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row[name] == value]


def _rows(nodes: Iterable[Any], kind: str, text: str) -> list[tuple[str, str]]:
    found = [getattr(node, kind) for node in nodes if node.WhichOneof("node_data") == kind]
    return [(node.id, getattr(node, text)) for node in found]


def _status(known: Mapping[str, SessionInfo], entry: Entry) -> str | None:
    session = known.get(entry.session_id)
    return session.status if session else None
