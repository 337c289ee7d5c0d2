"""What a dry run says of each session that is due."""

from datetime import UTC, datetime

import pytest
from memory_graph_workers.clients.errors import NotArchivable, NothingToArchive, SerializationError
from memory_graph_workers.schemas.registry import SessionInfo, SessionInfoSchema, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks.archival import preview
from memory_graph_workers.tasks.archival.row_faults import RowFaults
from memory_graph_workers.tasks.archival.session import Prepared
from support.fakes.listing import Registry, row


@pytest.fixture
def sessions(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Sessions of which the graph holds ten bytes each, unless their id says otherwise."""

    def read(session_id: str) -> SessionInfo:
        if session_id == "vanished":
            raise NotArchivable("vanished from the registry")
        found = SessionInfoSchema().read(next(one for one in registry.rows if one["session_id"] == session_id))
        if session_id == "reopened":
            return SessionInfo(session_id, "m", datetime.now(UTC), SessionStatus.ACTIVE)
        return found

    def prepare(session: SessionInfo, *_: object) -> Prepared:
        if session.session_id == "empty":
            raise NothingToArchive("no conversation")
        if session.session_id == "odd":
            raise RuntimeError("canary-of-content")
        return Prepared(session, ArchiveEntry(session.session_id, {}, 365), 1, 10)

    monkeypatch.setattr(preview, "read_session", read)
    monkeypatch.setattr(preview, "prepare", prepare)
    return registry


def test_each_due_session_is_shown_once_however_many_pages_and_passes_list_it(sessions: Registry) -> None:
    sessions.rows = [*(row(str(number)) for number in range(7)), row("a", "active"), {}, row("p", "paused")]
    faults: list[RowFaults] = []
    found = list(preview.candidates(faults))
    assert [(one.unreadable, one.unknown_statuses) for one in faults] == [(1, 1)]
    assert sorted(one.session_id for one in found) == [str(number) for number in range(7)]
    assert {one.content_bytes for one in found} == {10}


@pytest.mark.parametrize(
    ("session_id", "problem", "skipped"),
    [
        ("vanished", "vanished from the registry", ""),
        ("empty", "", "no conversation"),
        ("odd", "unexpected RuntimeError", ""),
    ],
)
def test_what_is_wrong_with_one_session_is_said_beside_it(
    sessions: Registry, session_id: str, problem: str, skipped: str
) -> None:
    sessions.rows = [row("good"), row(session_id), row("other")]
    found = {one.session_id: one for one in preview.candidates()}
    assert found[session_id].problem.startswith(problem)
    assert bool(found[session_id].problem) == bool(problem)
    assert found[session_id].skipped == skipped
    assert "canary" not in str(found)
    assert found["good"].content_bytes == found["other"].content_bytes == 10


def test_a_session_that_is_due_no_more_when_it_is_read_is_not_shown(sessions: Registry) -> None:
    sessions.rows = [row("reopened"), row("good")]
    assert [one.session_id for one in preview.candidates()] == ["good"]


def test_a_listing_that_breaks_shows_what_came_before_and_then_why(sessions: Registry) -> None:
    sessions.rows = [row("a"), row("b"), row("c"), {}, {}, {}, row("d")]
    found = preview.candidates()
    assert [next(found).session_id for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(SerializationError, match="breaks the contract"):
        next(found)
