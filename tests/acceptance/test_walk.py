"""A whole sweep in this process, message by message: what is under way is bounded, and it may die anywhere."""

import base64
import json
import random
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.schemas.archival import ArchivalStats
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks.app import ARCHIVAL, app
from memory_graph_workers.tasks.archival.preview import candidates
from memory_graph_workers.tasks.archival.state import Status
from redis import Redis
from support.fakes.archival_server import ArchivalServer

SETTINGS = {"VAULT_API_KEY": "key", "ARCHIVE_WITHOUT_CONTENT": "true", "ARCHIVAL_BATCH_SIZE": "5"}
SETTINGS["VAULT_BATCH_MAX_BYTES"] = "1000"  # four sessions
MOST = 2


class Killed(BaseException):
    """The process ends here and now."""


class MortalRedis(Redis):
    """A connection whose process dies before or after one of its commands, by lot."""

    lot: random.Random | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self._may_die()
        answered = super().execute_command(*args, **options)
        self._may_die()
        return answered

    def _may_die(self) -> None:
        if self.lot and self.lot.random() < 0.03:
            raise Killed


class Run:
    """The messages of one sweep, worked on one by one in any order."""

    def __init__(self, redis: MortalRedis, server: ArchivalServer, lot: random.Random) -> None:
        self.redis, self.server, self.lot = redis, server, lot
        self.deaths = self.messages = self.most_pending = self.most_waiting = 0
        archival.sweep.apply_async((), task_id="one", ignore_result=True)

    def to_its_end(self, mortal: bool = False) -> ArchivalStats:
        """Work until no message waits; a message whose work was killed comes back."""
        while waiting := self.redis.lrange(ARCHIVAL, 0, -1):
            item = self.lot.choice(waiting)
            self.redis.lrem(ARCHIVAL, 1, item)
            self.redis.lot = self.lot if mortal else None
            try:
                self._work(json.loads(item))
            except Killed:
                self.redis.lot = None
                self.redis.lpush(ARCHIVAL, item)
                self.deaths += 1
            self.redis.lot = None
            self.messages += 1
            pending = len(archival.sweeps().pending_batches("one"))
            self.most_pending = max(self.most_pending, pending)
            self.most_waiting = max(self.most_waiting, len(waiting))
        return archival.sweeps().stats("one")

    def _work(self, message: dict[str, Any]) -> None:
        _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        headers = message["headers"]
        app.tasks[headers["task"]].apply((), kwargs, task_id=headers["id"], throw=True)


@pytest.fixture
def run(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., Run]]:
    """Sweeps a made-up Registry."""
    settings = broker_settings(broker.url)
    before = {name: app.conf[name] for name in settings}
    monkeypatch.setattr(app, "_backend_cache", None)  # the app keeps its own for the tests that come after
    monkeypatch.setattr(app, "_local", threading.local())
    with ExitStack() as exits:

        def make(server: ArchivalServer, seed: int = 1, most: int = MOST) -> Run:
            exits.enter_context(server)
            addresses = {"REDIS_URL": broker.url, "VAULT_URL": server.url, "REGISTRY_URL": server.url}
            for name, value in {**SETTINGS, **addresses, "ARCHIVAL_MOST_BATCHES": str(most)}.items():
                monkeypatch.setenv(name, value)
            connections.forget()
            redis = exits.enter_context(MortalRedis.from_url(broker.url))
            monkeypatch.setattr(connections, "redis", lambda: redis)
            send_through(settings)
            return Run(redis, server, random.Random(seed))

        yield make
    connections.forget()
    send_through(before)


def send_through(settings: dict[str, Any]) -> None:
    """Let this process send to another broker."""
    app.close()
    app.amqp._producer_pool = None
    app.conf.update(settings)


@pytest.mark.parametrize("kind", [{}, {"honours": True}, {"refuses": True}], ids=["ignores", "honours", "refuses"])
@pytest.mark.parametrize("seed", range(4))
def test_a_sweep_that_dies_again_and_again_does_everything_once(
    run: Callable[..., Run], seed: int, kind: dict[str, bool]
) -> None:
    server = ArchivalServer(400, 4, **kind)
    server.refused_sessions = {"4", "96", "392"}
    killed = run(server, seed)
    stats = killed.to_its_end(mortal=True)
    assert archival.sweeps().get("one").status is Status.COMPLETED
    assert (stats.archived_count, stats.failed_count, stats.skipped_count) == (97, 3, 0)
    assert server.archived == {number for number in server.due if str(number) not in server.refused_sessions}
    assert set(archival.sweeps().failures("one")) == server.refused_sessions
    assert killed.deaths > 10
    assert killed.most_pending <= MOST + 1


def test_a_batch_reads_only_so_far_ahead_of_what_it_stored(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS_SIDE_BY_SIDE", "3")
    monkeypatch.setitem(SETTINGS, "ARCHIVAL_BATCH_SIZE", "100")
    server = ArchivalServer(100, 1)
    assert run(server).to_its_end().archived_count == 100
    assert server.most_read_ahead <= 10  # a request of four, and what three threads read meanwhile


def test_few_due_sessions_among_many_make_few_messages(run: Callable[..., Run]) -> None:
    walked = run(ArchivalServer(5000, 100))
    assert walked.to_its_end().archived_count == 50
    assert walked.messages < 60  # the sweep, 10 batches, and pages of 50 listings each


def test_a_registry_that_keeps_to_the_hints_is_asked_for_little_more_than_is_due(run: Callable[..., Run]) -> None:
    server = ArchivalServer(20_000, 20, honours=True)
    walked = run(server)
    assert walked.to_its_end().archived_count == 1000
    assert archival.sweeps().get("one").status is Status.COMPLETED
    assert server.listings < 3 * 1000 / 5


@pytest.mark.parametrize("total", ["rows of this page", 0, 1], ids=str)
def test_a_wrong_total_hides_no_session(run: Callable[..., Run], total: Any) -> None:
    server = ArchivalServer(42, 1)
    server.distorts = lambda _, listing: {**listing, "total": total if total in (0, 1) else len(listing["sessions"])}
    assert run(server).to_its_end().archived_count == 42
    assert archival.sweeps().get("one").status is Status.COMPLETED


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_pages_in_a_circle_end_the_pass_and_cost_no_session(run: Callable[..., Run], before: int, length: int) -> None:
    server = ArchivalServer(60, 1)

    def circle(page: int, _: dict[str, Any]) -> dict[str, Any]:
        number = page - 1 if page <= before else before + (page - 1 - before) % length
        sessions = [server.session(one) for one in range(number * 5, number * 5 + 5)]
        return {"sessions": sessions, "total": 10**6, "page": page}

    server.distorts = circle
    assert run(server).to_its_end().archived_count == 5 * (before + length)
    ended = archival.sweeps().get("one")
    assert (ended.status, "circle" in ended.reason) == (Status.INCOMPLETE, True)


BROKEN_ROWS: dict[str, dict[str, Any]] = {
    "an id of 300 characters": {"session_id": "s" * 300},
    "a count below 0": {"total_tokens": -1},
    "a start without offset": {"started_at": "2026-01-31T12:00:00"},
    "no model": {"model_id": None},
    "a status of another type": {"status": 3},
}


@pytest.mark.parametrize("broken", BROKEN_ROWS.values(), ids=list(BROKEN_ROWS))
def test_a_broken_row_costs_no_other_session(
    run: Callable[..., Run], broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    server = ArchivalServer(40, 1)

    def one_broken(page: int, listing: dict[str, Any]) -> dict[str, Any]:
        if page == 2:
            listing["sessions"][3] |= broken
        return listing

    server.distorts = one_broken
    assert run(server).to_its_end().archived_count == 39
    assert archival.sweeps().get("one").status is Status.COMPLETED
    assert f"sessions.3.{next(iter(broken))}" in caplog.text


def test_an_unknown_status_is_a_session_that_is_not_due(run: Callable[..., Run]) -> None:
    server = ArchivalServer(40, 1)

    def paused(page: int, listing: dict[str, Any]) -> dict[str, Any]:
        for one in listing["sessions"][:1]:
            one["status"] = "paused"
        return listing

    server.distorts = paused
    assert run(server).to_its_end().archived_count == 40 - 40 // 5


class Newest(random.Random):
    """Takes the newest message first: pages are listed before any batch is worked on."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


@pytest.mark.parametrize("late", [1, 2, 4])
def test_sessions_that_move_up_while_a_pass_finds_nothing_new_are_found(run: Callable[..., Run], late: int) -> None:
    server = ArchivalServer(2 * (5 + late), 1, honours=True)  # half of them are completed
    server.started_at = now() - timedelta(days=400)
    swept = run(server, most=10)
    swept.lot = Newest()

    def moves_up(page: int, listing: dict[str, Any]) -> dict[str, Any]:
        if server.listings == 2:  # the late ones are completed only after the first pass
            return {**listing, "sessions": [], "total": 5}
        if server.listings == 3:  # other workers archive what the second pass lists, before its next page
            server.archived.update(int(one["session_id"]) for one in listing["sessions"])
        return listing

    server.distorts = moves_up
    swept.to_its_end()
    assert server.archived == set(server.due)
    assert archival.sweeps().get("one").status is Status.COMPLETED


def test_a_walk_without_end_ends_after_the_longest_time_of_a_sweep(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_graph_workers.tasks.archival.watching.LONGEST_SWEEP_SECS", 1.0)
    server = ArchivalServer(5, 1)

    def endless(page: int, _: dict[str, Any]) -> dict[str, Any]:
        sessions = [{**server.session(0), "session_id": f"{page}-{one}", "status": "active"} for one in range(5)]
        return {"sessions": sessions, "total": 10, "page": page}

    server.distorts = endless
    run(server).to_its_end()
    ended = archival.sweeps().get("one")
    assert (ended.status, "took longer" in ended.reason) == (Status.INCOMPLETE, True)


@pytest.mark.parametrize("kind", [{}, {"honours": True}, {"refuses": True}], ids=["ignores", "honours", "refuses"])
@pytest.mark.parametrize("days", [-400, -1, 2, 40_000])
def test_a_preview_and_a_sweep_find_the_same_sessions_whenever_they_started(
    run: Callable[..., Run], kind: dict[str, bool], days: int
) -> None:
    server = ArchivalServer(60, 4, **kind)
    server.started_at = now() + timedelta(days=days)
    swept = run(server)
    found = [one.session_id for one in candidates() if not one.problem]
    assert sorted(map(int, found)) == list(server.due)
    assert not server.archived
    assert swept.to_its_end().archived_count == len(found)
    assert server.archived == set(server.due)
