"""A replay lets a task run as it was to run: when, until when, and as a part of its chord."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chain, chord, group
from memory_graph_workers.delivery import DeadLetter, Reason
from memory_graph_workers.delivery.dead_letters import replay
from memory_graph_workers.delivery.dead_letters.replay import NotReplayable, first_done, may_have_happened
from memory_graph_workers.delivery.messages.attempts import MAYBE_DONE_AT, may_have_taken_effect
from memory_graph_workers.delivery.messages.call_options import options_of, sending_options
from memory_graph_workers.delivery.timestamps import format_timestamp, parse_timestamp
from redis import Redis
from support.broker import KEYS, Broker
from support.delivery_producer import producer_at
from support.waiting import until
from support.worker import Worker

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery, for a chord

SOON, PAST = datetime.now(UTC) + timedelta(days=14), datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def shop(broker: Broker) -> Iterator[Any]:
    with producer_at(broker.url, ("needs_stock", "sums", "good")) as app:
        yield app


def payload(**headers: Any) -> dict[str, Any]:
    return {"args": [1], "kwargs": {}, "options": options_of(headers)}


def test_eta_expiry_limits_and_headers_are_kept_and_what_has_passed_is_not() -> None:
    kept = payload(
        id="t",
        task="x",
        root_id="t",
        lang="py",
        eta=SOON.isoformat(),
        expires=SOON.isoformat(),
        **{"timelimit": [5, 3], "ignore_result": True, "x-tenant": "a", "worker_losses": 2, "redelivered": True},
    )
    assert sending_options(kept) == {
        "eta": SOON,
        "expires": SOON,
        "time_limit": 5,
        "soft_time_limit": 3,
        "ignore_result": True,
        "headers": {"x-tenant": "a"},
    }
    assert sending_options(payload(eta=PAST.isoformat(), timelimit=[None, None], ignore_result=False)) == {}
    assert sending_options(payload(eta="soon", expires=7)) == {}


def test_a_task_that_is_due_in_two_weeks_is_not_run_at_once(broker: Broker, shop: Any) -> None:
    broker.dead.add(DeadLetter("t", Reason.LOST_WORKER, "work", task="good", payload=payload(eta=SOON.isoformat())))
    (letter,) = broker.dead.list()
    replay.replay(shop, broker.dead, letter)
    sent = taken(shop)
    assert datetime.fromisoformat(sent["headers"]["eta"]) == SOON


def test_what_has_expired_is_replayed_on_demand_only(broker: Broker, shop: Any) -> None:
    broker.dead.add(DeadLetter("t", Reason.EXPIRED, "work", task="good", payload=payload(expires=PAST.isoformat())))
    (letter,) = broker.dead.list()
    with pytest.raises(NotReplayable, match="even-if-expired"):
        replay.replay(shop, broker.dead, letter)
    assert broker.dead.count() == 1
    replay.replay(shop, broker.dead, letter, even_if_expired=True)
    assert broker.redis.llen("work") == 1


@pytest.mark.parametrize("corrected", [False, True])
def test_a_chords_body_runs_when_its_mended_parts_are_replayed(
    start_worker: Callable[..., Worker], broker: Broker, shop: Any, corrected: bool
) -> None:
    worker = start_worker()
    parts = [shop.signature("needs_stock", (number,), queue="work") for number in (1, 2, 30)]
    broker.redis.sadd("stock", 30)
    whole = chord(parts, app=shop) if corrected else chain(group(parts, app=shop), app=shop)
    whole(shop.signature("sums", queue="work")) if corrected else (whole | shop.signature("sums", queue="work"))()
    until(lambda: broker.dead.count() == 2)
    broker.redis.sadd("stock", 1, 2)
    for letter in broker.dead.list():
        if corrected:
            number = (letter.payload or {})["args"][0]
            replay.replay_corrected(shop, broker.dead, letter, {"number": number}, lambda task, given: given)
        else:
            replay.replay(shop, broker.dead, letter)
    until(lambda: broker.redis.lrange("sums", 0, -1) == [b"33"], lambda: worker.text)


def test_one_replay_takes_all_failures_out_of_the_count_of_a_chord(
    start_worker: Callable[..., Worker], broker: Broker, shop: Any
) -> None:
    # Else parts that end while the last failure is taken out all find the count complete, and send the body twice.
    worker = start_worker()
    parts = [shop.signature("needs_stock", (number,), queue="work") for number in (1, 2, 30)]
    broker.redis.sadd("stock", 30)
    chord(parts, app=shop)(shop.signature("sums", queue="work"))
    counted = "celery-taskset-meta-*.j"
    until(lambda: broker.dead.count() == 2 and [broker.redis.zcard(key) for key in broker.redis.keys(counted)] == [3])
    worker.kill()
    first, _ = broker.dead.list()
    replay.replay(shop, broker.dead, first)
    (key,) = broker.redis.keys(counted)
    assert [shop.backend.decode(item)[2:] for item in broker.redis.zrange(key, 0, -1)] == [["SUCCESS", 30]]


def test_a_chord_that_is_not_counted_any_more_is_refused_and_its_part_can_run_alone(
    start_worker: Callable[..., Worker], broker: Broker, shop: Any
) -> None:
    start_worker()
    chord([shop.signature("needs_stock", (1,), queue="work")], app=shop)(shop.signature("sums", queue="work"))
    until(lambda: broker.dead.count() == 1)
    for key in Redis.from_url(broker.url).keys("celery-taskset-meta-*"):
        broker.redis.delete(key)
    (letter,) = broker.dead.list()
    with pytest.raises(NotReplayable, match="body will not run"):
        replay.replay(shop, broker.dead, letter)
    broker.redis.sadd("stock", 1)
    replay.replay(shop, broker.dead, letter, alone=True)
    assert broker.dead.count() == 0
    assert KEYS


def taken(shop: Any) -> Any:
    """The next message of the queue."""
    with shop.connection_for_read() as connection:
        return connection.default_channel._get("work")


def second_letter(shop: Any, reason: Reason, **facts: Any) -> DeadLetter:
    """The letter of a replay that failed again, made as a worker makes it."""
    sent = taken(shop)
    call = {"args": [1], "kwargs": {}, "options": options_of(sent["headers"])}
    moment = format_timestamp(datetime.now(UTC))
    return DeadLetter("t", reason, "work", task="good", payload=call, first_seen=moment, failed_at=moment, **facts)


@pytest.mark.parametrize("reason", [Reason.LOST_WORKER, Reason.ATTEMPTS_EXHAUSTED, Reason.UNCERTAIN, Reason.FAILED])
@pytest.mark.parametrize("then", [{"reason": Reason.HARD_TIME_LIMIT}, {"reason": Reason.FAILED, "status": 404}])
def test_a_second_letter_of_a_task_knows_when_the_first_attempt_may_have_taken_effect(
    broker: Broker, shop: Any, reason: Reason, then: dict[str, Any]
) -> None:
    long_ago = format_timestamp(datetime.now(UTC) - timedelta(days=80))
    letter = DeadLetter("t", reason, "work", task="good", payload=payload(), first_seen=long_ago, failed_at=long_ago)
    for _ in range(2):
        broker.dead.add(letter)
        replay.replay(shop, broker.dead, letter)
        letter = second_letter(shop, **then)
        assert first_done(letter) == pytest.approx(parse_timestamp(long_ago).timestamp(), abs=0.01)
        assert may_have_happened(letter)
    broker.dead.add(letter)
    with pytest.raises(NotReplayable, match="not known"):
        replay.replay_corrected(shop, broker.dead, letter, {})


def test_a_refusal_leaves_nothing_for_a_second_letter_to_know(broker: Broker, shop: Any) -> None:
    broker.dead.add(DeadLetter("t", Reason.FAILED, "work", task="good", status=404, payload=payload()))
    (letter,) = broker.dead.list()
    replay.replay(shop, broker.dead, letter)
    again = second_letter(shop, Reason.FAILED, status=422)
    assert (first_done(again), may_have_happened(again)) == (None, False)


@pytest.mark.parametrize("value", ["soon", None, -1, 1e300, [1]])
def test_a_header_that_is_no_time_says_nothing(value: Any) -> None:
    letter = DeadLetter("t", Reason.FAILED, "work", status=404, payload=payload(**{MAYBE_DONE_AT: value}))
    assert first_done(letter) is None


class Failure(Exception):
    """A failure that says of itself what the test lets it say."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        vars(self).update(facts)


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (None, True),
        (Failure(), True),
        (Failure(status=404), False),
        (Failure(status=500), True),
        (Failure(maybe_done=False), False),
        (Failure(maybe_done=True, status=404), True),
    ],
)
def test_an_attempt_may_have_taken_effect_unless_its_error_shows_that_it_has_not(error: Any, may: bool) -> None:
    assert may_have_taken_effect(error) is may
