"""What a person decides about a queue counts at once, and before all that workers decide by themselves."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import pytest
from memory_graph_workers.delivery import Bounds, ByHand, DeadLetter, DeadLetters, HoldStore, Keys, Reason
from memory_graph_workers.delivery.broker.permits import set_permits
from memory_graph_workers.delivery.held_queues import limits
from memory_graph_workers.delivery.held_queues.holding import Holder
from memory_graph_workers.delivery.held_queues.leading import take_each
from memory_graph_workers.delivery.held_queues.limits import FullQueues, QueuesByHand

KEYS = Keys("shop")
NEEDS = {"payments": ("bank",), "mails": ("post",)}  # "orders" needs nothing
HELD, FREE = -1, None


class Breaker:
    state = "closed"

    def pause_left_secs(self) -> float:
        return 60.0


class Fleet:
    """What the leading worker does in its turn, the stores, and what may be taken of each queue."""

    def __init__(self, redis: fakeredis.FakeRedis, needs: dict[str, tuple[str, ...]] = NEEDS) -> None:
        self.redis, self.holds, self.needs = redis, HoldStore(redis, KEYS, needs=needs), needs
        self.letters = DeadLetters(redis, KEYS, Bounds(most=4))
        self.breakers = {service: Breaker() for service in ("bank", "post")}
        self.before_writing: Callable[[], None] = lambda: None
        self.elect()

    def elect(self) -> None:
        """Let another worker lead, which knows nothing."""
        by_hand = QueuesByHand(self.holds, self.permit)
        full = FullQueues(self.letters, self.holds, by_hand.limit, wanted=True)
        holder = Holder(self.holds, self.needs, self.breakers.__getitem__, lambda _: False, full.limit)
        self.steps = [by_hand.turn, full.turn, holder.turn]

    def permit(self, queue: str, permits: int | None, *, lasting: bool = False) -> None:
        self.before_writing()
        set_permits(self.redis, KEYS.permits(queue), permits, lasting=lasting)

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            assert take_each(self.steps) == ""

    def open(self, service: str = "bank") -> None:
        """Let its breaker be open, and a task meet it."""
        self.breakers[service].state = "open"
        self.holds.note_refused()

    def permits(self, queue: str = "payments") -> int | None:
        found: Any = self.redis.get(KEYS.permits(queue))
        return None if found is None else int(found)


@pytest.fixture
def fleet(redis: fakeredis.FakeRedis) -> Fleet:
    return Fleet(redis)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the time pass between two looks at everything."""

    def pass_time() -> None:
        now = limits.time.monotonic() + limits.IDLE_LOOK_SECS
        monkeypatch.setattr(limits.time, "monotonic", lambda: now)

    return pass_time


@pytest.mark.parametrize("queue", ["payments", "orders"])
def test_a_hold_counts_at_once_and_lasts_while_no_worker_runs(fleet: Fleet, queue: str) -> None:
    fleet.holds.hold_by_hand(queue, "alice", "the bank moves")
    assert fleet.permits(queue) == HELD
    assert fleet.redis.ttl(KEYS.permits(queue)) == -1  # it never ends by itself
    decided = fleet.holds.by_hand()[queue]
    assert (decided.queue, decided.is_held, decided.by, decided.reason) == (queue, True, "alice", "the bank moves")
    hold = fleet.holds.of_queue(queue)
    assert hold is not None
    assert (hold.service, hold.permits, hold.why) == ("a person", 0, "alice: the bank moves")


@pytest.mark.parametrize("queue", ["payments", "orders"])
def test_no_state_and_no_new_leader_frees_what_a_person_holds(
    fleet: Fleet, queue: str, later: Callable[[], None]
) -> None:
    fleet.turn()
    fleet.holds.hold_by_hand(queue, "alice", "x")
    fleet.open()
    fleet.turn(3)
    fleet.breakers["bank"].state = "half-open"
    fleet.turn(3)
    fleet.breakers["bank"].state = "closed"
    for _ in range(3):
        fleet.turn(12)
        later()
        fleet.elect()
    assert fleet.permits(queue) == HELD
    assert fleet.permits("mails") is FREE
    assert fleet.redis.ttl(KEYS.permits(queue)) == -1


def test_a_hold_whose_writer_died_before_the_permits_counts_when_the_leader_turns(fleet: Fleet) -> None:
    for queue in ("payments", "orders"):
        fleet.holds.hold_by_hand(queue, "alice", "x")
        fleet.redis.delete(KEYS.permits(queue))
    fleet.turn()
    assert (fleet.permits("payments"), fleet.permits("orders")) == (HELD, HELD)


def test_a_decision_between_the_leaders_look_and_what_it_writes_counts_a_turn_later(
    fleet: Fleet, later: Callable[[], None]
) -> None:
    fleet.turn()
    later()

    def decide() -> None:
        fleet.before_writing = lambda: None
        fleet.holds.hold_by_hand("payments", "alice", "x")

    fleet.before_writing = decide  # the leader frees all queues now and then
    fleet.turn()
    assert fleet.permits() is FREE
    fleet.turn()
    assert fleet.permits() == HELD


def test_a_queue_that_is_left_to_the_workers_is_free_at_once(fleet: Fleet) -> None:
    for queue in ("payments", "orders"):
        fleet.holds.hold_by_hand(queue, "alice", "x")
        fleet.turn()
        assert fleet.holds.leave_to_workers(queue) is True
        assert fleet.permits(queue) is FREE
        assert fleet.holds.of_queue(queue) is None
    assert fleet.holds.leave_to_workers("payments") is False
    assert not fleet.redis.exists(KEYS.by_hand)


def test_a_queue_that_is_left_to_the_workers_while_its_service_is_down_stays_held(fleet: Fleet) -> None:
    fleet.open()
    fleet.turn()
    fleet.holds.hold_by_hand("payments", "alice", "x")
    fleet.turn()
    fleet.holds.leave_to_workers("payments")
    assert fleet.permits() == HELD
    assert fleet.redis.ttl(KEYS.permits("payments")) > 0
    fleet.turn()
    assert fleet.permits() == HELD
    hold = fleet.holds.of_queue("payments")
    assert hold is not None
    assert hold.service == "bank"


def test_a_record_that_somebody_deletes_leaves_its_queue_to_the_workers(fleet: Fleet) -> None:
    fleet.holds.hold_by_hand("orders", "alice", "x")
    fleet.turn()
    fleet.redis.hdel(KEYS.by_hand, "orders")
    fleet.turn()
    assert fleet.permits("orders") is FREE


def test_the_leader_of_an_app_whose_queues_need_no_service_follows_within_a_turn(redis: fakeredis.FakeRedis) -> None:
    fleet = Fleet(redis, needs={})
    fleet.holds.hold_by_hand("orders", "alice", "x")
    fleet.turn()
    fleet.redis.hdel(KEYS.by_hand, "orders")
    fleet.turn()
    assert fleet.permits("orders") is FREE


def test_what_a_person_keeps_free_is_held_by_no_breaker_no_wait_and_no_dead_letters(fleet: Fleet) -> None:
    fleet.open()
    fleet.holds.ask("post", 900)
    fleet.letters.add(DeadLetter("1", Reason.FAILED, "orders", task="order"))
    fleet.turn()
    queues = ("payments", "mails", "orders")
    assert [fleet.permits(queue) for queue in queues] == [HELD, HELD, HELD]
    for queue in queues:
        fleet.holds.release_by_hand(queue, "bob", "the probe is wrong")
    assert [fleet.permits(queue) for queue in queues] == [FREE, FREE, FREE]
    fleet.turn(3)
    fleet.elect()
    fleet.turn(3)
    assert [fleet.permits(queue) for queue in queues] == [FREE, FREE, FREE]
    assert [fleet.holds.of_queue(queue) for queue in queues] == [None, None, None]
    for queue in queues:
        fleet.holds.leave_to_workers(queue)
    assert [fleet.permits(queue) for queue in queues] == [HELD, HELD, HELD]


def test_the_last_decision_counts(fleet: Fleet) -> None:
    fleet.holds.hold_by_hand("payments", "alice", "x")
    fleet.turn()
    fleet.holds.release_by_hand("payments", "bob", "y")
    fleet.turn()
    assert fleet.permits() is FREE
    fleet.holds.hold_by_hand("payments", "carol", "z")
    fleet.turn()
    assert fleet.permits() == HELD
    assert fleet.holds.by_hand()["payments"].by == "carol"


def test_the_log_names_who_decided_once(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fleet.holds.hold_by_hand("payments", "alice", "x")
    fleet.turn(3)
    fleet.holds.release_by_hand("payments", "bob", "y")
    fleet.turn(3)
    fleet.holds.leave_to_workers("payments")
    fleet.turn(3)
    found: list[Any] = [record for record in caplog.records if getattr(record, "queue", "") == "payments"]
    assert [getattr(record, "user", None) for record in found] == ["alice", "bob", None]
    assert found[0].getMessage() == "Queue payments is held by alice: x"
    assert found[0].reason == "x"


GOOD = {"is_held": False, "by": "bob", "reason": "x", "since": "2026-01-01T00:00:00Z"}
BROKEN: list[Any] = [
    b"",
    b"\xff",
    b"[" * 4000,
    b"null",
    b"[]",
    json.dumps(GOOD).encode() + b" " * 5000,
    *(
        json.dumps({**GOOD, **wrong}).encode()
        for wrong in (
            {"is_held": "no"},
            {"is_held": 0},
            {"by": None},
            {"by": ""},
            {"by": "\x1b[31mroot"},
            {"reason": ["x"]},
            {"reason": "x" * 201},
            {"reason": "one\ntwo"},
            {"since": "2026-01-01T00:00:00"},
            {"since": "0001-01-01T00:00:00+23:00"},
            {"since": 7},
            {"since": "then"},
        )
    ),
    *(json.dumps({name: value for name, value in GOOD.items() if name != lacking}).encode() for lacking in GOOD),
]


@pytest.mark.parametrize("record", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_record_holds_its_queue_and_says_that_it_is_broken(fleet: Fleet, record: bytes) -> None:
    fleet.redis.hset(KEYS.by_hand, "payments", record)
    fleet.redis.hset(KEYS.by_hand, "mails", json.dumps({**GOOD, "a field of tomorrow": 1}))
    fleet.turn(2)
    assert (fleet.permits("payments"), fleet.permits("mails")) == (HELD, FREE)
    found = fleet.holds.by_hand()
    assert found["payments"].is_held
    assert "broken" in found["payments"].reason
    assert (found["mails"].is_held, found["mails"].by) == (False, "bob")
    fleet.holds.leave_to_workers("payments")
    fleet.turn()
    assert fleet.permits("payments") is FREE


def test_a_name_of_a_queue_that_cannot_be_printed_is_passed_over(fleet: Fleet) -> None:
    fleet.redis.hset(KEYS.by_hand, mapping={b"\x1b[31m": json.dumps(GOOD), b"\xff": json.dumps(GOOD), b"": b""})
    fleet.holds.hold_by_hand("payments", "alice", "x")
    fleet.turn(2)
    assert fleet.permits() == HELD
    assert "\x1b[31m" not in fleet.holds.by_hand()


def test_a_key_of_another_kind_leaves_what_was_known_of_it_and_all_else_goes_on(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.holds.hold_by_hand("payments", "alice", "x")
    fleet.turn()
    fleet.redis.delete(KEYS.by_hand)
    fleet.redis.set(KEYS.by_hand, "no hash")
    fleet.open("post")
    fleet.turn(3)
    assert (fleet.permits("payments"), fleet.permits("mails")) == (HELD, HELD)
    assert fleet.holds.by_hand() == {}
    assert len([record for record in caplog.records if "counts as it was known" in record.getMessage()]) == 1
    fleet.elect()  # nobody knows what was decided
    fleet.turn(3)
    assert (fleet.permits("payments"), fleet.permits("mails")) == (FREE, HELD)
    fleet.holds.release_by_hand("mails", "bob", "y")  # which repairs it
    fleet.turn()
    assert (fleet.permits("payments"), fleet.permits("mails")) == (FREE, FREE)
    assert set(fleet.holds.by_hand()) == {"mails"}


@pytest.mark.parametrize("text", ["", "  ", "one\ntwo", "\x1b[31mred", "x" * 201, "\ud800", "a\u202eb", "\x00"])
def test_words_that_do_not_fit_on_a_line_are_refused_and_change_nothing(fleet: Fleet, text: str) -> None:
    for decide in (fleet.holds.hold_by_hand, fleet.holds.release_by_hand):
        for by, reason, named in ((text, "fine", "by"), ("alice", text, "reason")):
            with pytest.raises(ValueError, match=f"^{named} must be 1 to 200 characters"):
                decide("payments", by, reason)
    assert (fleet.holds.by_hand(), fleet.permits()) == ({}, FREE)


def test_names_and_reasons_in_any_language_are_kept_as_they_are(fleet: Fleet) -> None:
    by, reason = "Zoë 山田", "🛠" * 200
    fleet.holds.hold_by_hand("payments", by, reason)
    assert fleet.holds.by_hand()["payments"] == ByHand(
        "payments", True, by, reason, fleet.holds.by_hand()["payments"].since
    )


@pytest.fixture
def broker() -> Iterator[fakeredis.FakeRedis]:
    """A Redis beside the one of dead letters and holds."""
    broker = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    yield broker
    broker.close()


def test_the_permits_are_with_the_broker_where_that_is_another_redis(
    redis: fakeredis.FakeRedis, broker: fakeredis.FakeRedis
) -> None:
    holds = HoldStore(redis, KEYS, broker, NEEDS)
    holds.hold_by_hand("payments", "alice", "x")
    assert (broker.keys(), redis.keys()) == ([KEYS.permits("payments").encode()], [KEYS.by_hand.encode()])
    holds.put("bank", 4, "it is coming back")
    holds.leave_to_workers("payments")
    assert broker.get(KEYS.permits("payments")) == b"4"
