"""The archival sweep, from the listing to the vault, with all that can be wrong about a session."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.errors import WentOn
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.delivery.dead_letters.store import DeadLetters
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.canonical import digest
from memory_graph_workers.schemas.fields import format_timestamp, now
from memory_graph_workers.schemas.jcs import content_digest
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.archival import keys
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.session import Prepared, archive_id_of
from memory_graph_workers.tasks.archival.state import Status, Sweeps
from memory_graph_workers.tasks.archival.storing import mark_alone
from memory_graph_workers.tasks.registry import reopen_session, update_session_status
from support.our_app import KEYS
from support.waiting import LONGEST_SECS, until


def ended(sweep_id: str) -> Sweeps:
    """The state of the sweeps, once this one has ended."""
    state = archival.sweeps()
    until(lambda: state.get(sweep_id).status is not Status.RUNNING, lambda: state.stats(sweep_id))
    return state


def swept(trigger: Trigger = Trigger.MANUAL) -> tuple[str, Sweeps]:
    """Sweep now, and wait for the end."""
    answer = archival.sweep.delay(trigger).get(timeout=LONGEST_SECS)
    assert answer["status"] == "started", answer
    return answer["sweep_id"], ended(answer["sweep_id"])


@pytest.fixture(autouse=True)
def clean(fleet: Stack, registry: RegistryClient) -> None:
    """No session of another test is due."""
    for session in list(registry.iter_sessions()):
        registry.delete_session(session.session_id)


def test_every_due_session_ends_in_the_vault_word_for_word(
    finished: Callable[..., str], registry: RegistryClient, vault: VaultClient
) -> None:
    ids = [finished(f"Question {n} 🜁 שלום", "and another") for n in range(25)]
    sweep_id, state = swept()
    assert state.get(sweep_id).status is Status.COMPLETED
    assert state.stats(sweep_id).archived_count == 25
    for number, session_id in enumerate(ids):
        entry = vault.retrieve_session(archive_id_of(session_id))
        assert [prompt["content"] for prompt in entry.data["prompts"]] == [
            f"Question {number} 🜁 שלום",
            "and another",
        ]
        assert (entry.metadata["digest_form"], entry.metadata["digest"]) == ("jcs", content_digest(entry.data))
        assert entry.metadata["model_id"] == "acme/model:1"
        assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


def test_an_active_session_is_left_alone(registry: RegistryClient, graph: MemoryGraphClient) -> None:
    session_id = graph.create_session().id
    registry.register_session(SessionRegistration(session_id, "m"))
    sweep_id, state = swept()
    assert state.stats(sweep_id).total_processed == 0
    assert registry.get_session(session_id).status is SessionStatus.ACTIVE


def test_a_session_without_conversation_stays_and_says_why(
    finished: Callable[..., str], registry: RegistryClient, graph: MemoryGraphClient
) -> None:
    good = finished()
    empty, unknown = graph.create_session().id, "not-in-the-graph"
    for session_id in (empty, unknown):
        registry.register_session(SessionRegistration(session_id, "m"))
        registry.update_session_status(session_id, SessionStatus.COMPLETED)
    sweep_id, state = swept()
    assert state.get(sweep_id).counts == (1, 1, 1)
    assert state.skipped(sweep_id) == {empty: "no conversation"}
    assert "the graph did not give the conversation" in state.failures(sweep_id)[unknown]
    assert registry.get_session(empty).status is SessionStatus.COMPLETED
    assert registry.get_session(good).status is SessionStatus.ARCHIVED


def test_a_session_too_large_for_the_vault_fails_alone(finished: Callable[..., str], registry: RegistryClient) -> None:
    small = [finished() for _ in range(8)]
    large = finished("x" * 500_000)
    sweep_id, state = swept()
    assert set(state.failures(sweep_id)) == {large}, state.failures(sweep_id)
    assert "413" in state.failures(sweep_id)[large] or "large" in state.failures(sweep_id)[large]
    assert state.stats(sweep_id).archived_count == len(small)
    assert registry.get_session(large).status is SessionStatus.COMPLETED


def test_a_conversation_that_went_on_after_it_was_archived_by_hand_is_a_revision(
    finished: Callable[..., str], registry: RegistryClient, vault: VaultClient, graph: MemoryGraphClient
) -> None:
    session_id = finished("first")
    first = archival.archive_session.delay(session_id).get(timeout=LONGEST_SECS)["archive_id"]
    graph.add_prompt(session_id, "second")
    swept()
    kept = vault.retrieve_session(first)
    nodes = list(graph.iter_nodes(session_id))
    revision = archive_id_of(session_id, digest(_conversation(session_id, nodes)))
    later = vault.retrieve_session(revision)
    assert len(kept.data["prompts"]) == 1
    assert len(later.data["prompts"]) == 2
    assert "revision" in later.tags
    assert later.metadata["supersedes"] == first
    assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


def test_a_session_that_is_reopened_after_a_sweep_is_archived_again_with_all_of_it(
    finished: Callable[..., str], registry: RegistryClient, vault: VaultClient, graph: MemoryGraphClient
) -> None:
    session_id = finished("first")
    swept()
    graph.add_prompt(session_id, "second")
    sent = reopen_session.delay(session_id)
    assert sent.get(timeout=LONGEST_SECS)["status"] == "active"
    sweep_id, state = swept()
    assert state.get(sweep_id).counts == (0, 0, 0)
    update_session_status.delay(session_id, SessionStatus.COMPLETED).get(timeout=LONGEST_SECS)
    reopen_session.apply_async((session_id,), task_id=sent.id).get(timeout=LONGEST_SECS)  # delivered twice
    swept()
    revision = archive_id_of(session_id, digest(_conversation(session_id, list(graph.iter_nodes(session_id)))))
    kept = [vault.retrieve_session(one).data["prompts"] for one in (archive_id_of(session_id), revision)]
    assert [[prompt["content"] for prompt in prompts] for prompts in kept] == [["first"], ["first", "second"]]
    assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


def test_each_revision_of_a_session_that_is_reopened_twice_supersedes_the_one_before(
    finished: Callable[..., str], registry: RegistryClient, vault: VaultClient, graph: MemoryGraphClient
) -> None:
    session_id = finished("first")
    swept()
    kept = [vault.retrieve_session(archive_id_of(session_id))]
    for text in ("second", "third"):
        graph.add_prompt(session_id, text)
        registry.reopen_session(session_id)
        registry.update_session_status(session_id, SessionStatus.COMPLETED)
        swept()
        content = digest(_conversation(session_id, list(graph.iter_nodes(session_id))))
        kept.append(vault.retrieve_session(archive_id_of(session_id, content)))
    assert [one.metadata.get("supersedes") for one in kept] == [None, kept[0].id, kept[1].id]
    assert vault.retrieve_session(kept[0].id).newest_archive_id == kept[2].id
    assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_messages_of_a_session_that_went_on_come_to_the_same_end_in_any_order(
    finished: Callable[..., str], registry: RegistryClient, order: tuple[int, ...]
) -> None:
    session_id = finished()
    swept()
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (update_session_status, (session_id, SessionStatus.COMPLETED)),
        (reopen_session, (session_id,)),
        (update_session_status, (session_id, SessionStatus.COMPLETED)),
    ]
    messages = [(task, task.checked(arguments, {})) for task, arguments in calls]
    for place in order:
        task, kwargs = messages[place]
        task.apply_async((), kwargs).get(timeout=LONGEST_SECS, propagate=False)
    assert registry.get_session(session_id).status is SessionStatus.COMPLETED
    sweep_id, state = swept()
    assert state.get(sweep_id).counts == (1, 0, 0)


def test_a_session_that_ended_anew_while_it_was_archived_counts_as_gone_on(
    finished: Callable[..., str], registry: RegistryClient
) -> None:
    session_id = finished()
    before = registry.get_session(session_id)
    registry.reopen_session(session_id)
    registry.update_session_status(session_id, SessionStatus.COMPLETED)
    entry = ArchiveEntry(session_id, {}, 365)
    archival.archive_session.delay(session_id).get(timeout=LONGEST_SECS)
    with pytest.raises(WentOn, match="went on while it was archived"):
        mark_alone(Prepared(before, entry, 0))
    assert registry.get_session(session_id).status is SessionStatus.COMPLETED


def test_what_was_archived_by_hand_is_only_marked(finished: Callable[..., str], registry: RegistryClient) -> None:
    session_id = finished()
    archival.archive_session.delay(session_id).get(timeout=LONGEST_SECS)
    assert registry.get_session(session_id).status is SessionStatus.COMPLETED
    sweep_id, state = swept()
    assert state.stats(sweep_id).archived_count == 1
    assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


def test_messages_delivered_twice_come_to_the_same_end(finished: Callable[..., str]) -> None:
    ids = [finished() for _ in range(12)]
    state = archival.sweeps()
    answer = archival.sweep.delay().get(timeout=LONGEST_SECS)
    sweep_id = answer["sweep_id"]
    for batch_id, batch in state.pending_batches(sweep_id).items():
        archival.archive_batch.apply_async((sweep_id, batch), task_id=batch_id)
    first_page: dict[str, Any] = {"page": None, "listed": 0}
    archival.walk_page.delay(sweep_id, 1, 0, first_page)
    archival.sweep.apply_async((), task_id=sweep_id)
    ended(sweep_id)
    time.sleep(0.5)
    assert state.stats(sweep_id).archived_count == len(ids)
    assert state.failures(sweep_id) == {}


def test_a_second_sweep_is_refused_while_one_runs(fleet: Stack) -> None:
    state = archival.sweeps()
    assert state.begin("somebody-else", Trigger.MANUAL, now())
    assert archival.sweep.delay().get(timeout=LONGEST_SECS)["status"] == "running already"
    state.close("somebody-else")


def test_beat_does_not_sweep_twice_in_an_interval(fleet: Stack) -> None:
    swept()
    assert archival.sweep.delay(Trigger.BEAT).get(timeout=LONGEST_SECS)["status"] == "not due yet"


def test_a_sweep_whose_worker_died_at_its_start_goes_on(finished: Callable[..., str]) -> None:
    finished()
    archival.sweeps().begin("died-early", Trigger.BEAT, now())
    answer = archival.sweep.apply_async((Trigger.BEAT,), task_id="died-early").get(timeout=LONGEST_SECS)
    assert answer["status"] == "started"
    assert ended("died-early").stats("died-early").archived_count == 1


def test_a_batch_whose_worker_died_at_its_end_closes_the_sweep(fleet: Stack) -> None:
    state = archival.sweeps()
    state.begin("died-late", Trigger.MANUAL, now())
    state.keep_page("died-late", Page(Position(), {"last": ["s"]}, None))
    state.end_walk("died-late")
    state.finish_batch("died-late", "last", ["s"], BatchResult(archived=1))
    archival.archive_batch.apply_async(("died-late", ["s"]), task_id="last")
    assert ended("died-late").stats("died-late").archived_count == 1


def test_the_watch_starts_a_sweep_that_beat_missed(finished: Callable[..., str]) -> None:
    finished()
    state = archival.sweeps()
    for sweep in list(state.newest(100)):  # the last one started a day ago
        long_ago = format_timestamp(now() - timedelta(hours=25))
        connections.redis().hset(keys.key(sweep.sweep_id), "started_at", long_ago)
    sent = archival.watch.delay().get(timeout=LONGEST_SECS)
    assert sent["status"] == "overdue sweep sent"
    again = archival.watch.delay().get(timeout=LONGEST_SECS)  # the sweep waits, runs or has ended by now
    assert again.get("sweep_id", sent["sweep_id"]) == sent["sweep_id"]
    app.AsyncResult(sent["sweep_id"]).get(timeout=LONGEST_SECS)
    assert ended(sent["sweep_id"]).stats(sent["sweep_id"]).archived_count == 1


def test_a_watch_that_came_too_late_is_no_dead_letter(fleet: Stack) -> None:
    before = DeadLetters(connections.redis(), KEYS).count()
    late = archival.watch.apply_async(expires=-1)
    with pytest.raises(TaskRevokedError):
        late.get(timeout=LONGEST_SECS)
    assert DeadLetters(connections.redis(), KEYS).count() == before


def test_a_pause_stops_sweeps_until_it_is_taken_back(fleet: Stack) -> None:
    archival.sweeps().pause()
    assert archival.sweep.delay().get(timeout=LONGEST_SECS) == {"status": "paused"}
    archival.sweeps().resume()
    swept()


def test_the_watch_takes_up_a_stalled_sweep(finished: Callable[..., str], registry: RegistryClient) -> None:
    session_id = finished()
    state = archival.sweeps()
    assert state.begin("stalled", Trigger.MANUAL, now())
    state.keep_page("stalled", Page(Position(), {"lost-batch": [session_id]}, None, found=1))
    connections.redis().delete(keys.LOCK)
    assert archival.watch.delay().get(timeout=LONGEST_SECS)["status"] == "resumed"
    assert ended("stalled").stats("stalled").archived_count == 1
    assert registry.get_session(session_id).status is SessionStatus.ARCHIVED


def test_the_watch_closes_a_sweep_that_stalls_again_and_again(fleet: Stack) -> None:
    state = archival.sweeps()
    assert state.begin("hopeless", Trigger.MANUAL, now())
    for _ in range(3):
        state.count_resume("hopeless")
    connections.redis().delete(keys.LOCK)
    assert archival.watch.delay().get(timeout=LONGEST_SECS)["status"] == "incomplete"
    assert "stalled" in state.get("hopeless").reason


def _conversation(session_id: str, nodes: list[Any]) -> Any:
    from memory_graph_workers.tasks.archival.session import conversation

    return conversation(session_id, nodes)
