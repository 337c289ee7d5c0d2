"""A replay lets a task run as it was to run: when, until when, and as a part of its chord."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from memory_graph_workers.delivery import DeadLetter, KeptTask, Reason, install
from memory_graph_workers.delivery.dead_letters import replay
from memory_graph_workers.delivery.dead_letters.replay import NotReplayable
from memory_graph_workers.delivery.messages.call_options import options_of, sending_options
from redis import Redis
from support.broker import KEYS, Broker
from support.waiting import until
from support.worker import Worker

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery, for a chord

SOON, PAST = datetime.now(UTC) + timedelta(days=14), datetime.now(UTC) - timedelta(days=1)


def _runs_elsewhere(*args: Any) -> None:
    """What these tests send runs in a worker."""


@pytest.fixture
def shop(broker: Broker) -> Any:
    """The app as a command sees it: it knows the tasks, and runs none."""
    app = Celery("delivery", set_as_current=False)
    app.conf.update(result_backend=broker.url, task_default_queue="work")
    install(app, broker.url, unacked_key="unacked")
    for name in ("needs_stock", "sums", "good"):
        app.task(name=name, base=KeptTask)(_runs_elsewhere)
    return app


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
    sent = shop.connection_for_read().default_channel._get("work")
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
    start_worker()
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
    until(lambda: broker.redis.lrange("sums", 0, -1) == [b"33"])


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
