"""One session that cannot be archived, foreseen or not, among healthy ones: each way of archiving stores the others."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from celery.exceptions import Retry
from memory_graph_workers.clients.breaker import FAIL_MAX
from memory_graph_workers.clients.errors import NotArchivable
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.preview import candidates
from memory_graph_workers.tasks.archival.state import Status, Sweeps
from support.fakes.archival_server import ArchivalServer
from support.fakes.graph_server import FakeGraph
from support.our_app import stores_at

SESSIONS = 10
BAD = "3"
HEALTHY = {str(number) for number in range(SESSIONS)} - {BAD}
NO_TIMES = {
    "milliseconds": (1_764_335_472_000, 0),
    "before the first nanosecond": (1, -1),
    "after the last nanosecond": (1, 2_000_000_000),
    "the year 0": (-62_135_596_801, 0),
}
Services = Callable[..., ArchivalServer]


@pytest.fixture
def services(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Registry and vault with ten due sessions, and a graph in which some of them have a time that is none."""
    with ArchivalServer(SESSIONS, 1) as server, FakeGraph("hello") as graph, stores_at(broker.url):

        def make(
            times: dict[str, tuple[int, int]], empty: set[str] | None = None, code: grpc.StatusCode | None = None
        ) -> ArchivalServer:
            graph.times, graph.empty, graph.code = times, empty or set(), code
            addresses = {"REDIS_URL": broker.url, "REGISTRY_URL": server.url, "VAULT_URL": server.url}
            for name, value in {**addresses, "MEMORY_GRAPH_URL": graph.url, "VAULT_API_KEY": "key"}.items():
                monkeypatch.setenv(name, value)
            connections.forget()
            return server

        yield make
        connections.redis().flushall()
        for client in (connections.registry(), connections.vault(), connections.memory_graph(), connections.redis()):
            client.close()
        connections.forget()


def swept(batch_id: str = "batch", attempts_before: int = 0) -> Sweeps:
    """Run the one batch of a sweep whose walk is over, after so many attempts."""
    state = archival.sweeps()
    state.begin("one", Trigger.MANUAL, now())
    ids = [str(number) for number in range(SESSIONS)]
    state.keep_page("one", Page(Position(), {batch_id: ids}, None, found=len(ids)))
    state.end_walk("one")
    options: dict[str, Any] = {"task_id": batch_id, "throw": True, "retries": attempts_before}
    archival.archive_batch.apply((), {"sweep_id": "one", "session_ids": ids}, **options)
    return state


@pytest.mark.parametrize("time", NO_TIMES.values(), ids=NO_TIMES)
def test_a_sweep_archives_all_sessions_but_the_one_with_a_time_that_is_none(
    services: Services, time: tuple[int, int]
) -> None:
    server = services({BAD: time})
    state = swept()
    assert (state.get("one").status, state.get("one").counts) == (Status.COMPLETED, (9, 1, 0))
    (reason,) = state.failures("one").values()
    assert (
        reason == f"the graph's prompt 1 cannot be archived: its timestamp is no valid time (seconds {time[0]}, "
        f"nanos {time[1]})"
    )
    assert server.stored.keys() == HEALTHY


@pytest.mark.parametrize("time", NO_TIMES.values(), ids=NO_TIMES)
def test_archiving_by_hand_and_a_dry_run_say_the_same_of_it(services: Services, time: tuple[int, int]) -> None:
    server = services({BAD: time})
    problems = {found.session_id: found.problem for found in candidates()}
    assert {session_id for session_id, problem in problems.items() if not problem} == HEALTHY
    result = archival.archive_sessions.apply(([*HEALTHY, BAD],), throw=True).get()
    assert result["archived"].keys() == HEALTHY == server.stored.keys()
    assert result["failed"] == {BAD: problems[BAD]}


@pytest.mark.parametrize("empty", [{BAD}, {"0", "9"}, {*HEALTHY, BAD}], ids=["one", "two", "all"])
def test_a_session_without_a_conversation_is_skipped_and_no_failure(services: Services, empty: set[str]) -> None:
    server = services({}, empty)
    skipped = {found.session_id: found.skipped for found in candidates() if found.skipped}
    assert skipped == dict.fromkeys(empty, "no conversation")
    state = swept()
    assert state.get("one").counts == (SESSIONS - len(empty), 0, len(empty))
    assert state.skipped("one") == skipped
    assert server.stored.keys() == {*HEALTHY, BAD} - empty


def test_archiving_it_by_hand_says_why_nothing_is_archived(services: Services) -> None:
    services({}, {BAD})
    with pytest.raises(NotArchivable, match="no conversation"):
        archival.archive_session.apply((BAD,), throw=True)


def test_against_a_graph_that_does_not_know_query_nothing_is_archived_and_every_session_says_why(
    services: Services,
) -> None:
    server = services({}, code=grpc.StatusCode.UNIMPLEMENTED)  # as the published graph responds so far
    state = swept()
    assert (state.get("one").status, state.get("one").counts) == (Status.COMPLETED, (0, SESSIONS, 0))
    said = "the graph did not give the conversation: memory_graph.Query: the service does not know this operation"
    assert all(reason.startswith(said) for reason in state.failures("one").values())
    assert not server.stored
    assert not server.archived
    assert connections.breaker_state("memory_graph").state == "closed"


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("fatal", [{BAD}, {"0"}, {"9"}, {"0", "1", "2"}, {"1", "3", "5", "7", "9"}])
def test_on_the_last_attempt_a_batch_that_the_vault_fails_on_is_taken_apart(
    services: Services, status: int, fatal: set[str]
) -> None:
    server = services({})
    server.fatal_sessions, server.fatal_status = fatal, status
    state = swept(attempts_before=archival.archive_batch.max_retries or 0)
    assert state.get("one").counts == (SESSIONS - len(fatal), len(fatal), 0)
    assert set(state.failures("one")) == fatal
    assert all(f"status {status}" in reason for reason in state.failures("one").values())
    assert server.stored.keys() == {*HEALTHY, BAD} - fatal
    assert connections.breaker_state("vault").state == "closed"


def test_before_its_last_attempt_it_is_tried_again_as_a_whole(services: Services) -> None:
    server = services({})
    server.fatal_sessions = {BAD}
    with pytest.raises(Retry):
        swept()
    assert not server.stored


def test_on_the_last_attempt_by_hand_it_is_taken_apart_too(services: Services) -> None:
    server = services({})
    server.fatal_sessions = {BAD}
    retries = archival.archive_sessions.max_retries or 0
    result = archival.archive_sessions.apply(([*HEALTHY, BAD],), throw=True, retries=retries).get()
    assert result["archived"].keys() == HEALTHY
    assert set(result["failed"]) == {BAD}


def _batches(ids: list[str]) -> None:
    state = archival.sweeps()
    state.begin("one", Trigger.MANUAL, now())
    state.keep_page("one", Page(Position(), {f"b-{one}": [one] for one in ids}, None, found=len(ids)))
    for one in ids:
        with pytest.raises(Retry):
            archival.archive_batch.apply(
                (), {"sweep_id": "one", "session_ids": [one]}, task_id=f"b-{one}", throw=True, retries=0
            )


def _by_hand(ids: list[str]) -> None:
    for one in ids:
        with pytest.raises(Retry):
            archival.archive_session.apply((one,), task_id=f"h-{one}", throw=True, retries=0)


@pytest.mark.parametrize("way", [_batches, _by_hand])
@pytest.mark.parametrize("status", [500, 503])
def test_a_vault_that_fails_at_every_post_is_an_outage_after_five_requests(
    services: Services, way: Callable[[list[str]], None], status: int
) -> None:
    server = services({})
    server.fails_posts, server.fatal_status = True, status
    way([str(number) for number in range(FAIL_MAX)])
    assert connections.breaker_state("vault").state == "open"
