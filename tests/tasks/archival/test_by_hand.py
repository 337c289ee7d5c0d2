"""Archiving sessions that somebody names: each has its outcome, and what concerns all is raised."""

from collections.abc import Sequence

import pytest
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    ConnectionError,
    InvalidConfig,
    NotArchivable,
    Timeout,
)
from memory_graph_workers.schemas.fields import parse_timestamp
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks.archival import by_hand
from memory_graph_workers.tasks.archival.session import Prepared
from memory_graph_workers.tasks.archival.storing import Stored
from support.fakes.listing import OLD, Registry


class Steps:
    """The steps of archiving; each fails for the sessions that `failing` names it for."""

    def __init__(self) -> None:
        self.failing: dict[tuple[str, str], Exception] = {}
        self.done: list[tuple[str, str]] = []

    def _step(self, name: str, session_id: str) -> None:
        if error := self.failing.get((name, session_id)):
            raise error
        self.done.append((name, session_id))

    def read(self, session_id: str) -> SessionInfo:
        self._step("read", session_id)
        return SessionInfo(session_id, "m", parse_timestamp(OLD), SessionStatus.ACTIVE)

    def prepare(self, session: SessionInfo, *_: object) -> Prepared:
        self._step("prepare", session.session_id)
        return Prepared(session, ArchiveEntry(session.session_id, {}, 365, id=f"archive-{session.session_id}"), 1)

    def store(self, prepared: Sequence[Prepared], key: str, policy_id: str, *, is_last_attempt: bool) -> Stored:
        stored = Stored()
        for item in prepared:
            session_id = item.session.session_id
            error = self.failing.get(("store", session_id))
            if isinstance(error, ConnectionError | Timeout):
                stored.unsettled[session_id] = error
            elif error:
                stored.refused[session_id] = str(error)
            else:
                stored.archive_ids[session_id] = item.entry.id
        return stored

    def place(self, prepared: Prepared, archive_id: str, policy_id: str) -> None:
        self._step("place", prepared.session.session_id)


@pytest.fixture
def steps(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Steps:
    found = Steps()
    monkeypatch.setattr(by_hand, "read_session", found.read)
    for name in ("prepare", "store", "place"):
        monkeypatch.setattr(by_hand, name, getattr(found, name))
    monkeypatch.setattr(by_hand, "ensure_policy", lambda *_: "policy")
    return found


@pytest.mark.parametrize("step", ["read", "prepare", "store", "place"])
def test_a_session_that_cannot_be_archived_has_its_reason_and_leaves_the_others(steps: Steps, step: str) -> None:
    steps.failing[step, "bad"] = NotArchivable("it is bad")
    found = by_hand.archive(["good", "bad", "other"], [], "key")
    assert found == {"archived": {"good": "archive-good", "other": "archive-other"}, "failed": {"bad": "it is bad"}}


@pytest.mark.parametrize("step", ["read", "prepare", "place"])
def test_an_error_that_nobody_foresaw_is_told_without_its_text(steps: Steps, step: str) -> None:
    steps.failing[step, "bad"] = RuntimeError("canary-of-content")
    found = by_hand.archive(["bad", "good"], [], "key")
    assert found["failed"]["bad"].startswith("unexpected RuntimeError")
    assert "canary" not in str(found)
    assert set(found["archived"]) == {"good"}


@pytest.mark.parametrize("step", ["read", "prepare", "store", "place"])
@pytest.mark.parametrize("error", [ConnectionError("away"), Timeout("slow")], ids=["away", "slow"])
def test_a_service_that_is_down_is_an_attempt_to_repeat(steps: Steps, step: str, error: Exception) -> None:
    steps.failing[step, "bad"] = error
    with pytest.raises(type(error)):
        by_hand.archive(["good", "bad"], [], "key")


@pytest.mark.parametrize("error", [AuthenticationError("the key"), InvalidConfig("a setting")], ids=["key", "setting"])
def test_what_lets_no_session_be_archived_is_no_outcome_of_one(steps: Steps, error: Exception) -> None:
    steps.failing["read", "bad"] = error
    with pytest.raises(type(error)):
        by_hand.archive(["bad"], [], "key")


def test_a_session_that_is_named_twice_is_archived_once(steps: Steps) -> None:
    assert by_hand.archive(["a", "a"], [], "key")["archived"] == {"a": "archive-a"}
    assert steps.done.count(("prepare", "a")) == 1


def test_without_a_session_that_is_ready_the_vault_is_not_asked(steps: Steps) -> None:
    steps.failing["read", "bad"] = NotArchivable("gone")
    steps.failing["store", "bad"] = AssertionError()
    assert by_hand.archive(["bad"], [], "key") == {"archived": {}, "failed": {"bad": "gone"}}
    assert by_hand.archive([], [], "key") == {"archived": {}, "failed": {}}
