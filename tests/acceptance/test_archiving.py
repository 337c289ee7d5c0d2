"""What the vault says of a batch, and what is made of it: one session's trouble is no other's."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from memory_graph_workers.delivery import installed
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.canonical import digest
from memory_graph_workers.schemas.fields import format_timestamp, now
from memory_graph_workers.schemas.jcs import content_digest
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.archival import storing
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.session import Prepared, archive_id_of
from memory_graph_workers.tasks.archival.state import MAX_RESUMES, Status, Sweeps
from support.fakes.http_server import FakeServer, Received, Step, answer
from support.our_app import stores_at


class Vault(FakeServer):
    """A vault whose /health is no step of the others."""

    def __init__(self) -> None:
        super().__init__()
        self.health: Step = answer(404)

    def next_step(self, received: Received) -> Step:
        return self.health if received.path == "/health" else super().next_step(received)


@pytest.fixture
def vault(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault of which this process's connections know; the breakers' state is in a real Redis."""
    with Vault() as server:
        for name, value in {"REDIS_URL": broker.url, "VAULT_URL": server.url, "VAULT_API_KEY": "key"}.items():
            monkeypatch.setenv(name, value)
        connections.forget()
        with stores_at(broker.url):
            yield server
        connections.vault().close()
        connections.redis().close()
        connections.forget()


@pytest.fixture
def state(vault: FakeServer) -> Iterator[Sweeps]:
    """Sweeps of a vault that is down: the queue that needs it is held."""
    installed(app).holds.put("vault", 0, "it is down")
    yield archival.sweeps()
    connections.redis().flushall()


def prepared(session_id: str) -> Prepared:
    session = SessionInfo(session_id, "m", now(), SessionStatus.COMPLETED)
    entry = ArchiveEntry(
        session_id, "text", 365, id=f"archive-{session_id}", metadata={"digest": content_digest("text")}
    )
    return Prepared(session, entry, 1)


@pytest.mark.parametrize(("status", "outcome"), [(500, "unsettled"), (400, "refused"), (404, "refused")])
def test_a_session_that_cannot_be_settled_leaves_the_others_archived(
    vault: FakeServer, status: int, outcome: str
) -> None:
    failed = [{"session_id": "bad", "error": "busy"}]
    batch = {"archived": ["archive-good"], "failed": failed, "total": 2, "success_count": 1}
    vault.answers(answer(200, batch), status)
    stored = storing.store([prepared("bad"), prepared("good")], "key", "policy")
    assert stored.archive_ids == {"good": "archive-good"}
    assert set(getattr(stored, outcome)) == {"bad"}


@pytest.mark.parametrize("policies", [{"archive-good": "policy"}, {"archive-good": "other"}, {}])
def test_what_the_vault_confirms_is_placed_with_its_storing(vault: Vault, policies: dict[str, str]) -> None:
    vault.health = answer(200, {"capabilities": {"archive_policy": {}}})
    batch = {"archived": ["archive-good"], "failed": [{"session_id": "bad", "error": "exists"}], "total": 2}
    vault.answers(
        answer(200, {**batch, "success_count": 1, "policies": policies}), answer(200, kept("bad", "text", {}))
    )
    stored = storing.store([prepared("bad"), prepared("good")], "key", "policy")
    assert stored.placed == ({"good"} if policies.get("archive-good") == "policy" else set())


CONTENT: dict[str, Any] = {"temperature": 1.0, "texts": ["größe", 1e20, 2**200]}
FROM_JAVASCRIPT: dict[str, Any] = {"texts": ["größe", 10**20, 2**200], "temperature": 1}


def kept(archive_id: str, data: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """What a vault says that it holds under an id."""
    moment = "2026-01-31T12:00:00Z"
    facts = {"retention_days": 365, "archived_at": moment, "metadata": metadata}
    return {"id": archive_id, "session_id": "s", "data": data, **facts}


def with_content(data: Any) -> Prepared:
    """A session with this content, ready to be stored."""
    metadata = {"digest": content_digest(data), "digest_form": "jcs"}
    session = SessionInfo("s", "m", now(), SessionStatus.COMPLETED)
    return Prepared(session, ArchiveEntry("s", data, 365, id="archive-s", metadata=metadata), 1)


@pytest.mark.parametrize(
    "metadata",
    [{"digest": digest(CONTENT)}, {"digest": content_digest(CONTENT), "digest_form": "jcs"}, {}],
    ids=["older form", "jcs", "none"],
)
@pytest.mark.parametrize("data", [CONTENT, FROM_JAVASCRIPT], ids=["as sent", "from JavaScript"])
def test_the_same_content_is_no_revision_whatever_the_vault_made_of_its_numbers(
    vault: FakeServer, data: Any, metadata: dict[str, Any]
) -> None:
    refused = {"archived": [], "failed": [{"session_id": "s", "error": "exists"}], "total": 1, "success_count": 0}
    vault.answers(answer(200, refused), answer(200, kept("archive-s", data, metadata)))
    assert storing.store([with_content(CONTENT)], "key", "policy").archive_ids == {"s": "archive-s"}
    assert len(vault.requests) == 2


@pytest.mark.parametrize("data", [{**CONTENT, "temperature": 2}, {"texts": []}, None, "1.0"], ids=str)
def test_other_content_is_a_revision_under_the_id_that_it_always_had(vault: FakeServer, data: Any) -> None:
    """Also if that revision is there from before digests were RFC 8785's."""
    refused = {"archived": [], "failed": [{"session_id": "s", "error": "exists"}], "total": 1, "success_count": 0}
    revision = archive_id_of("s", digest(CONTENT))
    older = kept(revision, FROM_JAVASCRIPT, {"digest": digest(CONTENT)})
    vault.answers(answer(200, refused), answer(200, kept("archive-s", data, {})), 409, answer(200, older))
    assert storing.store([with_content(CONTENT)], "key", "policy").archive_ids == {"s": revision}


@pytest.mark.parametrize("newest", [{}, {"newest_archive_id": "archive-s"}, {"newest_archive_id": "archive-s-5"}])
def test_a_revision_supersedes_the_newest_archive_that_the_vault_tells(
    vault: FakeServer, newest: dict[str, str]
) -> None:
    refused = {"archived": [], "failed": [{"session_id": "s", "error": "exists"}], "total": 1, "success_count": 0}
    there = kept("archive-s", "other", {}) | newest
    receipt = {"archive_id": archive_id_of("s", digest(CONTENT)), "session_id": "s", "status": "archived"}
    vault.answers(
        answer(200, refused), answer(200, there), answer(201, receipt | {"archived_at": "2026-01-31T12:00:00Z"})
    )
    storing.store([with_content(CONTENT)], "key", "policy")
    sent = json.loads(vault.requests[2].body)
    assert sent["metadata"]["supersedes"] == newest.get("newest_archive_id", "archive-s")


def test_a_vault_that_is_down_settles_nothing(vault: FakeServer) -> None:
    vault.answers(503)
    assert set(storing.store([prepared("a"), prepared("b")], "key", "policy").unsettled) == {"a", "b"}


def test_the_half_of_a_refused_batch_that_went_through_counts(vault: FakeServer) -> None:
    vault.answers(413, answer(200, {"archived": ["archive-a"], "total": 1, "success_count": 1}), 503)
    stored = storing.store([prepared("a"), prepared("b")], "key", "policy")
    assert (set(stored.archive_ids), set(stored.unsettled)) == ({"a"}, {"b"})


def test_the_first_sweep_by_a_crontab_waits_for_its_hour(vault: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVAL_CRONTAB", "0 3 * * *")
    connections.forget()
    assert archival.watch() == {"status": "nothing to do"}


def test_a_watch_sends_no_overdue_sweep_to_a_queue_that_is_held(state: Sweeps) -> None:
    assert archival.watch() == {"status": "held", "service": "vault"}
    assert not connections.redis().exists("memory_graph.archival")


def test_a_sweep_whose_messages_wait_on_a_held_queue_has_not_stalled(state: Sweeps) -> None:
    state.begin("waits", Trigger.MANUAL, now())
    for _ in range(10):
        connections.redis().delete("memory_graph:sweep:lease")  # ten minutes later
        assert archival.watch()["status"] == "held"
    assert state.lock.holder() == "waits"
    assert state.get("waits").status is Status.RUNNING
    assert not connections.redis().exists("memory_graph.archival")


@pytest.mark.parametrize("kept_by", ["a held queue", "a worker's lock", "nothing"])
@pytest.mark.parametrize("hours", [1, 24])
def test_a_sweep_ends_after_its_longest_time_whatever_it_waits_for(
    state: Sweeps, monkeypatch: pytest.MonkeyPatch, kept_by: str, hours: int
) -> None:
    monkeypatch.setenv("ARCHIVAL_INTERVAL_HOURS", str(hours))
    connections.config.cache_clear()
    if kept_by != "a held queue":
        installed(app).holds.release("vault")
    state.begin("old", Trigger.MANUAL, now())
    state.keep_page("old", Page(Position(), {"half": ["a", "b"]}, None, found=2))
    state.remember_marked("old", "half", ["a"])
    started = now() - timedelta(hours=min(hours, 6), minutes=11)
    connections.redis().hset("memory_graph:sweep:old", "started_at", format_timestamp(started))
    if kept_by == "nothing":
        connections.redis().delete("memory_graph:sweep:lease")
    assert archival.watch() == {"status": "incomplete", "sweep_id": "old"}
    assert state.get("old").reason == f"took longer than {min(hours, 6)} hours"
    assert state.get("old").counts == (1, 1, 0)


def test_the_walk_ends_at_the_longest_time(state: Sweeps) -> None:
    state.begin("old", Trigger.MANUAL, now())
    started = now() - timedelta(hours=6, seconds=1)
    connections.redis().hset("memory_graph:sweep:old", "started_at", format_timestamp(started))
    page: dict[str, Any] = {"pass_number": 1, "index": 0, "cursor": {}}
    archival.walk_page.apply((), {"sweep_id": "old", **page}, throw=True)
    assert state.get("old").status is Status.INCOMPLETE


def test_a_service_that_is_being_tried_keeps_no_watch_from_its_work(state: Sweeps) -> None:
    state.begin("runs", Trigger.MANUAL, now())
    installed(app).holds.put("vault", 1, "it is being tried")
    assert archival.watch() == {"status": "running", "sweep_id": "runs"}


def test_a_sweep_that_is_broken_off_counts_what_its_batches_had_done(state: Sweeps) -> None:
    installed(app).holds.release("vault")
    state.begin("broken", Trigger.MANUAL, now())
    state.keep_page("broken", Page(Position(), {"half": ["a", "b", "c"], "none": ["d"]}, None, found=4))
    state.remember_marked("broken", "half", ["a", "c"])
    for _ in range(MAX_RESUMES):
        state.count_resume("broken")
    connections.redis().delete("memory_graph:sweep:lease")
    assert archival.watch() == {"status": "incomplete", "sweep_id": "broken"}
    assert state.get("broken").counts == (2, 2, 0)
    assert set(state.failures("broken")) == {"b", "d"}
