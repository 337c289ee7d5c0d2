"""The states of a held service, turned by hand."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery.held_queues import holding
from memory_graph_workers.delivery.held_queues.holding import Holder
from memory_graph_workers.delivery.held_queues.holds import Hold, HoldStore
from memory_graph_workers.delivery.held_queues.leading import Lead, take_each
from memory_graph_workers.delivery.keys import Keys
from redis.exceptions import ResponseError

NEEDS = {"plain": ("registry",), "both": ("registry", "vault"), "free": ()}


class Breaker:
    """A circuit breaker whose state is what the test says."""

    state, left_secs, rate = "closed", 0.0, 0.0

    def calls_per_sec(self) -> float | None:
        return self.rate

    def pause_left_secs(self) -> float:
        return self.left_secs


class Scene:
    """A holder, what its probe will say, and what it permitted last."""

    def __init__(self, redis: fakeredis.FakeRedis) -> None:
        self.redis, self.permits, self.healthy, self.asked = redis, dict[str, "int | None"](), False, 0
        self.holds = HoldStore(redis, Keys("shop"))
        self.breakers = {service: Breaker() for service in ("registry", "vault")}
        self.holder = Holder(self.holds, NEEDS, self.breakers.__getitem__, self.probe, self.permits.__setitem__)

    def probe(self, service: str) -> bool:
        self.asked += 1
        return self.healthy

    def breaker(self, state: str, service: str = "registry") -> None:
        self.breakers[service].state = state
        if state != "closed":
            self.holds.note_refused()  # by the first task that meets it

    def turn(self) -> dict[str, int | None]:
        self.holder.turn()
        self.holder.measure()
        return self.permits

    def held(self) -> Hold:
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
    scene.turn()  # it has few calls
    scene.breaker("open")
    scene.breakers["registry"].left_secs = 60.0
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


def comes_back(scene: Scene) -> list[int | None]:
    """The permits of each second from a breaker that just closed until its queues are free."""
    scene.breaker("half-open")
    scene.turn()
    scene.breaker("closed")
    seen = [scene.turn()["plain"]]
    while seen[-1] is not None:
        seen.append(scene.turn()["plain"])
    return seen


def test_a_busy_service_comes_back_up_to_the_rate_that_it_had_before_the_outage(scene: Scene) -> None:
    for rate in (400.0, 1000.0, 30.0, 0.0):  # calls hang before the breaker opens
        scene.breakers["registry"].rate = rate
        scene.turn()
    scene.breaker("open")
    scene.turn()
    assert scene.held().free_at == 1000
    assert comes_back(scene) == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, None]


def test_a_new_leader_goes_on_to_the_rate_that_the_record_names(scene: Scene) -> None:
    scene.breakers["registry"].rate = 100.0
    scene.turn()
    scene.breaker("open")
    scene.turn()
    scene.breakers["registry"].rate = 0.0
    scene.holder = Holder(scene.holds, NEEDS, scene.breakers.__getitem__, scene.probe, scene.permits.__setitem__)
    assert comes_back(scene) == [2, 4, 8, 16, 32, 64, 128, None]


@pytest.mark.parametrize("rate", [None, "not said"])
def test_a_service_whose_rate_nobody_knows_comes_back_up_to_1024_a_second(scene: Scene, rate: Any) -> None:
    class Silent:
        state = "closed"

    scene.breakers["registry"].rate = rate
    if rate:
        scene.breakers["registry"] = Silent()  # pyright: ignore[reportArgumentType]
        scene.holder = Holder(scene.holds, NEEDS, scene.breakers.__getitem__, scene.probe, scene.permits.__setitem__)
    scene.turn()
    assert comes_back(scene) == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, None]


def test_a_record_of_an_older_release_is_free_at_64_a_second(scene: Scene) -> None:
    scene.redis.hset("shop:hold:service:registry", mapping={"since": "2026-01-01T00:00:00Z", "permits": 8, "why": "x"})
    assert scene.held().free_at == 64


def test_a_trial_that_fails_holds_again(scene: Scene) -> None:
    scene.breaker("half-open")
    assert scene.turn()["both"] == 1
    scene.breaker("open")
    assert scene.turn()["both"] == 0


def test_one_that_calls_itself_healthy_and_fails_waits_for_the_pause(scene: Scene) -> None:
    scene.healthy = True
    scene.breaker("open")
    scene.breakers["registry"].left_secs = 60.0
    assert scene.turn()["plain"] == 0
    scene.breakers["registry"].left_secs = 0.0
    assert [scene.turn()["plain"] for _ in range(2)] == [0, 1]


def test_a_long_wait_that_the_service_asked_for_holds_without_probes(scene: Scene) -> None:
    scene.healthy = True
    scene.holds.ask("registry", 890)
    scene.holds.ask("registry", 10)
    assert scene.redis.pttl("shop:hold:asked:registry") > 880_000
    assert scene.turn()["plain"] == 0
    assert (scene.asked, scene.held().why) == (0, "it asked to wait")
    scene.redis.delete("shop:hold:asked:registry")
    assert [scene.turn()["plain"] for _ in range(3)] == [1, 1, 1]  # tried, until its breaker closes
    scene.breaker("closed")
    assert [scene.turn()["plain"] for _ in range(3)] == [2, 4, 8]


@pytest.mark.parametrize("wait_secs", [901, 86_400, 99_999_999, 1e18])
def test_a_service_is_tried_after_15_minutes_whatever_it_asked_for(scene: Scene, wait_secs: float) -> None:
    scene.holds.ask("registry", wait_secs)
    assert 890_000 < scene.redis.pttl("shop:hold:asked:registry") <= 900_000


@pytest.mark.parametrize("cause", ["asked", "open", "both"])
def test_a_trial_that_a_person_asks_for_lets_one_task_through_and_no_flood(scene: Scene, cause: str) -> None:
    scene.breakers["registry"].left_secs = 60.0
    if cause != "asked":
        scene.breaker("open")
    if cause != "open":
        scene.holds.ask("registry", 900)
    assert scene.turn()["plain"] == 0
    scene.holds.ask_for_trial("registry")
    assert scene.turn() == {"plain": 1, "both": 1, "free": None}
    assert scene.turn()["plain"] == 1
    scene.breaker("open")  # it still fails
    assert scene.turn()["plain"] == 0
    scene.holds.ask_for_trial("registry")
    assert scene.turn()["plain"] == 1
    scene.breaker("closed")  # it answers
    assert [scene.turn()["plain"] for _ in range(2)] == [2, 4]


def test_a_trial_of_a_service_that_is_not_held_changes_nothing(scene: Scene) -> None:
    scene.holds.ask_for_trial("registry")
    assert [scene.turn()["plain"] for _ in range(2)] == [None, None]


def test_a_breaker_that_decides_alone_still_gets_one_task(scene: Scene) -> None:
    class Alone:
        @property
        def state(self) -> str:
            return "open"

    scene.holder = Holder(scene.holds, NEEDS, lambda _: Alone(), scene.probe, scene.permits.__setitem__)
    assert scene.turn()["plain"] == 0
    scene.holds.ask_for_trial("registry")
    assert [scene.turn()["plain"] for _ in range(2)] == [1, 0]


def test_a_breaker_is_looked_at_again_when_a_task_meets_it_open(scene: Scene) -> None:
    assert scene.turn()["plain"] is None
    scene.breakers["registry"].state = "open"
    assert scene.turn()["plain"] is None  # it was looked at a moment ago
    scene.holds.note_refused()
    assert scene.turn()["plain"] == 0
    assert 0 < scene.redis.ttl("shop:hold:refused") <= 10


def test_a_breaker_that_no_task_met_is_looked_at_after_fifteen_seconds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.turn()
    scene.breakers["registry"].state = "open"
    later = holding.time.monotonic() + holding.IDLE_LOOK_SECS
    monkeypatch.setattr(holding.time, "monotonic", lambda: later)
    assert scene.turn()["plain"] == 0


def test_one_leads_and_another_follows_when_it_resigns(scene: Scene) -> None:
    assert (scene.holds.lead("a"), scene.holds.lead("b"), scene.holds.lead("a")) == (True, False, True)
    scene.holds.resign("b")
    assert not scene.holds.lead("b")
    scene.holds.resign("a")
    assert scene.holds.lead("b")
    assert 0 < scene.redis.ttl("shop:hold:leader") <= 30


def test_of_two_consumers_in_one_process_one_leads(scene: Scene) -> None:
    parent: Any = SimpleNamespace(app=None)
    steps: list[Any] = [Lead(parent), Lead(parent)]
    assert [step._is_leader(scene.holds) for step in (*steps, *steps)] == [True, False, True, False]


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


@pytest.mark.parametrize(
    "record",
    [{"permits": "few"}, {"permits": "1", "why": "x"}, {"permits": "1", "since": "then", "why": "x"}, {"why": b"\xff"}],
)
def test_a_broken_record_is_written_again(record: dict[str, Any]) -> None:
    redis = fakeredis.FakeRedis()
    holds = HoldStore(redis, Keys("shop"))
    redis.hset(Keys("shop").hold("payments"), mapping=record)
    assert getattr(holds.get("payments"), "permits", None) == 0
    holds.put("payments", 1, "it is being tried")
    assert getattr(holds.get("payments"), "permits", None) == 1


def test_a_record_of_another_type_is_written_again() -> None:
    redis = fakeredis.FakeRedis()
    holds = HoldStore(redis, Keys("shop"))
    redis.set(Keys("shop").hold("payments"), "no hash")
    assert getattr(holds.get("payments"), "permits", None) == 0
    holds.put("payments", 1, "it is being tried")
    assert getattr(holds.get("payments"), "permits", None) == 1


@pytest.mark.parametrize("error", [ResponseError("WRONGTYPE a word of content"), TypeError("content"), OSError()])
def test_a_step_that_fails_stops_no_other_and_quotes_no_content(error: Exception) -> None:
    taken: list[int] = []

    def broken() -> None:
        raise error

    failed = take_each([lambda: taken.append(1), broken, lambda: taken.append(2), broken])
    assert taken == [1, 2]
    assert failed
    assert "content" not in failed
    assert "," not in failed.partition(": ")[0]
