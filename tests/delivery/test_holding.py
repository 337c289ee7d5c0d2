"""The states of a held service, turned by hand."""

import threading
import time
from collections.abc import Iterator

import fakeredis
import pytest
from memory_graph_workers.clients.breaker import CACHE_SECS, RedisStorage
from memory_graph_workers.delivery.holding import Holder, Probes
from memory_graph_workers.delivery.holds import Held, Holds
from memory_graph_workers.tasks import probe
from support.fakes.http_server import FakeServer, hang
from support.waiting import LONGEST_SECS, SOON_SECS, until

NEEDS = {"plain": ("registry",), "both": ("registry", "vault"), "free": ()}


class Scene:
    """A holder, what its probe will say, and what it permitted last."""

    def __init__(self, redis: fakeredis.FakeRedis) -> None:
        self.redis, self.permits, self.healthy, self.asked = redis, dict[str, "int | None"](), False, 0
        self.holder, self.holds = Holder(redis, NEEDS, self.probe, self.permits.__setitem__), Holds(redis)

    def probe(self, service: str) -> bool:
        self.asked += 1
        return self.healthy

    def breaker(self, state: str, service: str = "registry") -> None:
        breaker = RedisStorage(self.redis, service)
        breaker.state = state
        time.sleep(CACHE_SECS)

    def turn(self) -> dict[str, int | None]:
        self.holder.turn()
        return self.permits

    def held(self) -> Held:
        found = self.holds.get("registry")
        assert found is not None
        return found


@pytest.fixture
def scene() -> Iterator[Scene]:
    redis = fakeredis.FakeRedis()
    yield Scene(redis)
    redis.close()


def test_nothing_is_held_while_all_is_well(scene: Scene) -> None:
    assert scene.turn() == {"plain": None, "both": None, "free": None}
    assert scene.asked == 0


def test_a_service_that_is_down_holds_every_queue_that_needs_it(scene: Scene) -> None:
    scene.breaker("open")
    assert scene.turn() == {"plain": 0, "both": 0, "free": None}
    assert (scene.held().permits, scene.held().why) == (0, "it is down")
    scene.breaker("closed")
    scene.breaker("open", "vault")
    scene.holds.release("registry")
    assert scene.turn() == {"plain": None, "both": 0, "free": None}


def test_a_service_that_was_down_and_answers_is_tried_then_comes_back_in_growing_steps(scene: Scene) -> None:
    scene.breaker("open")
    scene.redis.set("memory_graph:breaker:registry:pause", "1", px=60_000)
    since = (scene.turn(), scene.held().since)[1]
    scene.healthy = True
    assert scene.turn()["plain"] == 0  # the connections of every process have a turn to come back
    assert scene.turn()["plain"] == 1
    assert scene.turn()["plain"] == 1
    scene.breaker("closed")
    seen = [scene.turn()["plain"] for _ in range(7)]
    assert seen == [2, 4, 8, 16, 32, 64, None]
    assert scene.holds.get("registry") is None
    assert since.tzinfo is not None


def test_a_trial_that_fails_holds_again(scene: Scene) -> None:
    scene.breaker("half-open")
    assert scene.turn()["both"] == 1
    scene.breaker("open")
    assert scene.turn()["both"] == 0


def test_one_that_calls_itself_healthy_and_fails_waits_for_the_pause(scene: Scene) -> None:
    scene.healthy = True
    scene.breaker("open")
    scene.redis.set("memory_graph:breaker:registry:pause", "1", px=60_000)
    assert scene.turn()["plain"] == 0
    scene.redis.delete("memory_graph:breaker:registry:pause")
    assert [scene.turn()["plain"] for _ in range(2)] == [0, 1]


def test_a_long_wait_that_the_service_asked_for_holds_without_probes(scene: Scene) -> None:
    scene.healthy = True
    scene.holds.ask("registry", 1000)
    scene.holds.ask("registry", 10)
    assert scene.redis.pttl("memory_graph:hold:asked:registry") > 900_000
    assert scene.turn()["plain"] == 0
    assert (scene.asked, scene.held().why) == (0, "it asked to wait")
    scene.redis.delete("memory_graph:hold:asked:registry")
    assert [scene.turn()["plain"] for _ in range(3)] == [1, 2, 4]


def test_a_wait_is_a_day_at_most(scene: Scene) -> None:
    scene.holds.ask("registry", 1e9)
    assert scene.redis.pttl("memory_graph:hold:asked:registry") <= 86_400_000


def test_one_leads_and_another_follows_when_it_resigns(scene: Scene) -> None:
    assert (scene.holds.lead("a"), scene.holds.lead("b"), scene.holds.lead("a")) == (True, False, True)
    scene.holds.resign("b")
    assert not scene.holds.lead("b")
    scene.holds.resign("a")
    assert scene.holds.lead("b")
    assert 0 < scene.redis.ttl("memory_graph:hold:leader") <= 30


def test_who_reads_while_it_is_written_finds_all_or_nothing(scene: Scene) -> None:
    def write() -> None:
        for _ in range(300):
            scene.holds.put("registry", 3, "why")
            scene.holds.release("registry")

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert (held := scene.holds.get("registry")) is None or held.permits == 3
    writer.join()


def test_of_several_services_the_strictest_counts(scene: Scene) -> None:
    assert scene.holds.strictest(("registry", "vault")) is None
    scene.holds.put("registry", 8, "it is coming back")
    scene.holds.put("vault", 0, "it is down")
    found = scene.holds.strictest(("registry", "vault"))
    assert found is not None
    assert (found.service, found.permits) == ("vault", 0)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as server:
        for name, value in {"REGISTRY_URL": server.url, "REGISTRY_API_KEY": "key", "VAULT_API_KEY": "key"}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (404, 0), (429, 0), (500, 1), (503, 1)])
def test_a_probe_takes_any_answer_for_life_but_one_of_trouble(registry: FakeServer, status: int, code: int) -> None:
    registry.answers(status)
    assert probe.main("registry") == code


def test_a_probe_that_hangs_keeps_nobody_waiting(registry: FakeServer) -> None:
    registry.answers(hang)
    probes = Probes()
    assert probes.ask("registry") is None
    until(lambda: registry.requests)
    started = time.monotonic()
    assert probes.ask("registry") is None
    probes.stop()
    assert time.monotonic() - started < SOON_SECS


def test_a_service_is_asked_in_a_process_of_its_own_and_not_at_once_again(
    registry: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_PROBE_SECS", "PROBE_EVERY_SECS"):  # a busy machine needs more than a probe is given
        monkeypatch.setattr(f"memory_graph_workers.delivery.holding.{name}", LONGEST_SECS)
    registry.answers(200)
    probes = Probes()
    until(lambda: probes.ask("registry"))
    assert probes.ask("registry") is None
    assert [received.path for received in registry.requests] == ["/health"]
