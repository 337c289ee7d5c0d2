"""A whole sweep in this process, message by message: what is under way is bounded, and it may die anywhere."""

import base64
import json
import random
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

import pytest
from memory_graph_workers.delivery.transport import broker_settings
from memory_graph_workers.schemas.archival import ArchivalStats
from memory_graph_workers.tasks import archival, connections
from memory_graph_workers.tasks.app import ARCHIVAL, app
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
