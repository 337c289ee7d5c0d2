"""What the vault says of a batch, and what is made of it: one session's trouble is no other's."""

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.http_server import FakeServer, answer
from memory_graph_workers.schemas.base import digest
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import archival, archiving, connections
from memory_graph_workers.tasks.archiving import Prepared


@pytest.fixture
def vault(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """A vault of which this process's connections know; the breakers' state is in a real Redis."""
    with FakeServer() as server:
        for name, value in {"REDIS_URL": broker.url, "VAULT_URL": server.url, "VAULT_API_KEY": "key"}.items():
            monkeypatch.setenv(name, value)
        connections.forget()
        yield server
        connections.vault().close()
        connections.redis().close()
        connections.forget()


def prepared(session_id: str) -> Prepared:
    session = SessionInfo(session_id, "m", now(), SessionStatus.COMPLETED)
    entry = ArchiveEntry(session_id, "text", 365, id=f"archive-{session_id}", metadata={"digest": digest("text")})
    return Prepared(session, entry, 1)


@pytest.mark.parametrize(("status", "outcome"), [(500, "unsettled"), (400, "refused"), (404, "refused")])
def test_a_session_that_cannot_be_settled_leaves_the_others_archived(
    vault: FakeServer, status: int, outcome: str
) -> None:
    failed = [{"session_id": "bad", "error": "busy"}]
    batch = {"archived": ["archive-good"], "failed": failed, "total": 2, "success_count": 1}
    vault.answers(answer(200, batch), status)
    stored = archiving.store([prepared("bad"), prepared("good")], "key")
    assert stored.archive_ids == {"good": "archive-good"}
    assert set(getattr(stored, outcome)) == {"bad"}


def test_a_vault_that_is_down_settles_nothing(vault: FakeServer) -> None:
    vault.answers(503)
    assert set(archiving.store([prepared("a"), prepared("b")], "key").unsettled) == {"a", "b"}


def test_the_half_of_a_refused_batch_that_went_through_counts(vault: FakeServer) -> None:
    vault.answers(413, answer(200, {"archived": ["archive-a"], "total": 1, "success_count": 1}), 503)
    stored = archiving.store([prepared("a"), prepared("b")], "key")
    assert (set(stored.archive_ids), set(stored.unsettled)) == ({"a"}, {"b"})


def test_the_first_sweep_by_a_crontab_waits_for_its_hour(vault: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVAL_CRONTAB", "0 3 * * *")
    connections.forget()
    assert archival.watch() == {"status": "nothing to do"}
