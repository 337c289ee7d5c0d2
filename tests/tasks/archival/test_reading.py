"""Sessions and conversations that are read together."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from memory_graph_workers.clients.errors import ConnectionError, Refused
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.reading import Known, count_together, read_together
from memory_graph_workers.tasks.archival.session import Prepared
from support.fakes.listing import Registry

CUTOFF = now()
IDS = ["old", "new", "gone"]


def session(session_id: str) -> SessionInfo:
    ended_at = CUTOFF + timedelta(days=1 if session_id == "new" else -1)
    return SessionInfo(session_id, "m", ended_at, SessionStatus.COMPLETED, ended_at)


SESSIONS = {one: session(one) for one in IDS[:2]}


class Services:
    """Registry and graph in one, each of whose calls fails or responds; `asked` are the sessions of each call."""

    def __init__(self) -> None:
        self.asked = list[list[str]]()
        self.found: dict[str, Any] = {"sessions": SESSIONS, "nodes": {"old": ["node"]}, "counts": {"old": 2}}

    def _read(self, name: str) -> Callable[[Sequence[str]], Any]:
        def read(session_ids: Sequence[str]) -> Any:
            self.asked.append([*session_ids])
            if isinstance(self.found[name], Exception):
                raise self.found[name]
            return self.found[name]

        return read

    def __getattr__(self, name: str) -> Any:
        return self._read({"get_sessions": "sessions", "get_conversations": "nodes"}.get(name, "counts"))


@pytest.fixture
def services(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Services:
    found = Services()
    monkeypatch.setattr(connections, "registry", lambda: found)
    monkeypatch.setattr(connections, "memory_graph", lambda: found)
    return found


def test_only_the_conversations_of_sessions_that_are_due_are_read(services: Services) -> None:
    assert read_together(IDS, CUTOFF) == [
        Known("old", SESSIONS["old"], ["node"]),
        Known("new", SESSIONS["new"]),
        Known("gone"),
    ]
    assert services.asked == [IDS, ["old"]]


def test_no_conversation_is_read_where_none_is_archived(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_WITHOUT_CONTENT", "true")
    connections.forget()
    assert read_together(["old"], CUTOFF) == [Known("old", SESSIONS["old"])]
    assert services.asked == [["old"]]


@pytest.mark.parametrize("failing", ["sessions", "nodes"])
def test_after_a_refusal_each_is_to_be_read_alone(services: Services, failing: str) -> None:
    services.found[failing] = Refused("no", status=422)
    first = read_together(["old"], CUTOFF)[0]
    assert first == Known("old", None if failing == "sessions" else SESSIONS["old"])


def prepared(session_id: str, node_count: int) -> Prepared:
    return Prepared(session(session_id), ArchiveEntry(session_id, {}, 1), node_count)


def test_records_without_content_are_not_counted(services: Services) -> None:
    assert count_together([prepared("old", 2), prepared("new", 0)]) == {"old": 2}
    assert count_together([prepared("new", 0)]) == {}
    assert services.asked == [["old"]]


def test_an_outage_is_told(services: Services) -> None:
    services.found = dict.fromkeys(services.found, ConnectionError("away"))
    with pytest.raises(ConnectionError):
        read_together(IDS, CUTOFF)
    with pytest.raises(ConnectionError):
        count_together([prepared("old", 2)])
