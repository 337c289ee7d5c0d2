"""`mgw metrics`: services, dead letters, sweeps, beats and usage reports, and what a scrape costs Redis."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.metrics.exporter import Exporter
from memory_graph_workers.cli.target import Target
from memory_graph_workers.clients.breaker import RedisStorage
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Keys, Reason, installed
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Sweeps
from redis.connection import AbstractConnection
from support.broker import Broker
from support.our_app import delivery_with
from support.promtool import promtool as promtool
from support.scraping import Breaker, by_name, scraped, target_at, text_of
from support.shared_broker import broker as broker
from support.shared_broker import running as running

ROOT = Path(__file__).parent.parent.parent
KEYS = Keys("shop")


@pytest.fixture
def exporter(broker: Broker) -> Exporter:
    return Exporter(target_at(broker.url, bounds=Bounds(most=5)))


@pytest.fixture
def ours(broker: Broker) -> Exporter:
    """An exporter of our own app."""
    found = replace(installed(app), url=broker.url, state_url=broker.url)
    with delivery_with(url=broker.url, state_url=broker.url):
        return Exporter(Target(app, found, "ours", is_ours=True))


@pytest.mark.parametrize(
    ("why", "permits", "cause"),
    [
        ("it is down", 0, "down"),
        ("it is being tried", 1, "trial"),
        ("it is coming back", 8, "growing"),
        ("it asked to wait", 0, "asked"),
        ("\x1b[31m<b>boom</b>", 0, "other"),
    ],
)
def test_a_service_that_is_held_says_why_and_its_queues_have_no_backlog(
    broker: Broker, exporter: Exporter, why: str, permits: int, cause: str
) -> None:
    HoldStore(broker.redis, KEYS).put("bank", permits, why)
    found = scraped(exporter)
    assert by_name(found, "service_held") == {"bank": 1, "post": 0}
    assert by_name(found, "service_permits") == {"bank": permits}
    assert [key[1] for key, value in found.items() if key[0] == "mgw_service_hold_cause" and value] == [cause]
    assert by_name(found, "queue_held") == {"orders": 0, "payments": 1, "mails": 1}
    assert 0 <= found["mgw_service_held_seconds", "bank"] < 60


def test_a_queue_whose_dead_letters_fill_up_is_held(broker: Broker, exporter: Exporter) -> None:
    HoldStore(broker.redis, KEYS).note_full("orders")
    found = scraped(exporter)
    assert by_name(found, "queue_full") == {"orders": 1, "payments": 0, "mails": 0}
    assert by_name(found, "queue_held") == {"orders": 1, "payments": 0, "mails": 0}


def test_what_a_person_decided_counts_before_services_and_dead_letters(broker: Broker, exporter: Exporter) -> None:
    holds = HoldStore(broker.redis, KEYS)
    for queue in ("orders", "payments", "mails"):
        broker.redis.lpush(queue, "{}")
    holds.put("bank", 0, "it is down")  # which payments and mails need
    holds.note_full("payments")
    holds.hold_by_hand("orders", "alice", "x")
    holds.release_by_hand("payments", "bob", "\U0001f6e0 y")
    found = scraped(exporter)
    assert by_name(found, "queue_held_by_person") == {"orders": 1, "payments": 0, "mails": 0}
    assert by_name(found, "queue_released_by_person") == {"orders": 0, "payments": 1, "mails": 0}
    assert by_name(found, "queue_held") == {"orders": 1, "payments": 0, "mails": 1}
    assert by_name(found, "queue_backlog") == {"orders": 0, "payments": 1, "mails": 0}
    broker.redis.delete(KEYS.permits("orders"))  # before the leading worker has written it again
    assert by_name(scraped(exporter), "queue_held")["orders"] == 1
    assert "alice" not in text_of(exporter)
    broker.redis.set(KEYS.by_hand, "no hash")
    found = scraped(exporter)
    assert (found["mgw_part_readable", "by hand", "state"], found["mgw_part_readable", "services", "state"]) == (0, 1)


def states(found: dict[tuple[str, ...], float]) -> dict[str, str]:
    return {key[1]: key[2] for key, value in found.items() if key[0] == "mgw_breaker_state" and value}


class Forged(Breaker):
    state = "\x1b[31mopen{}"


def test_breakers_say_their_state_whoever_made_them(broker: Broker) -> None:
    def breaker(service: str) -> Breaker:
        if service == "post":
            raise LookupError(service)
        return Forged()

    assert states(scraped(Exporter(target_at(broker.url, breaker=breaker)))) == {"bank": "other", "post": "other"}
    assert states(scraped(Exporter(target_at(broker.url)))) == {"bank": "closed", "post": "closed"}


def test_our_breakers_are_read_from_redis(broker: Broker, ours: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    RedisStorage(broker.redis, "vault").state = "open"
    monkeypatch.setenv("REDIS_URL", broker.url)
    connections.forget()
    try:
        assert states(scraped(ours)) == {"registry": "closed", "vault": "open", "memory_graph": "closed"}
    finally:
        connections.redis().close()
        connections.forget()


def letters(store: DeadLetters, count: int, task: str | None, reason: Reason) -> None:
    for number in range(count):
        store.add(DeadLetter(f"{task}-{reason}-{number}", reason, "orders", task=task, payload={}))


def test_dead_letters_are_counted_by_task_and_reason_and_names_from_elsewhere_are_no_labels(
    broker: Broker, exporter: Exporter
) -> None:
    store = DeadLetters(broker.redis, KEYS, Bounds(most=5))
    letters(store, 3, "order", Reason.FAILED)
    letters(store, 1, "order", Reason.EXPIRED)
    letters(store, 1, "<script>\x1b[0m", Reason.FAILED)
    store.quarantine(b"junk", "orders", Reason.BROKEN_ENVELOPE, "not JSON")
    found = scraped(exporter)
    told = {key[1:]: value for key, value in found.items() if key[0] == "mgw_dead_letters" and value}
    assert told == {
        ("failures", "failed", "order"): 3,
        ("failures", "expired", "order"): 1,
        ("failures", "failed", "other"): 1,
        ("quarantine", "broken_envelope", "other"): 1,
    }
    assert by_name(found, "dead_letters_max") == {"failures": 5, "quarantine": 10_000}
    letters(store, 6, "order", Reason.FAILED)
    assert by_name(scraped(exporter), "dead_letters_dropped") == {"failures": 3, "quarantine": 0}


def test_letters_of_forged_groups_and_of_no_group_are_others(broker: Broker, exporter: Exporter) -> None:
    broker.redis.zadd(KEYS.failures.by_time, {f"letter {number}": number for number in range(9)})
    forged = {"no JSON": 2, '[["x"], {}, 1]': 1, '["order", "failed", null]': 4}
    broker.redis.zadd(KEYS.failures.groups_by_count, forged)
    found = scraped(exporter)
    told = {key[1:]: value for key, value in found.items() if key[0] == "mgw_dead_letters" and key[1] == "failures"}
    assert told == {
        ("failures", "failed", "order"): 4,
        ("failures", "other", "other"): 5,
    }


def test_the_newest_sweep_says_how_far_it_is(broker: Broker, ours: Exporter) -> None:
    state = Sweeps(broker.redis)
    assert ("mgw_sweep_age_seconds",) not in scraped(ours)
    state.begin("one", Trigger.MANUAL, now())
    batches = {"a": ["1", "2", "3"], "b": ["4", "5"]}
    state.keep_page("one", Page(Position(index=0), batches, Cursor(2)))
    state.finish_batch("one", "a", batches["a"], BatchResult(1, failed={"2": "why"}, skipped={"3": "why"}))
    found = scraped(ours)
    assert by_name(found, "sweep_status") == {"running": 1, "completed": 0, "incomplete": 0}
    assert by_name(found, "sweep_sessions") == {"archived": 1, "failed": 1, "skipped": 1, "pending": 2}
    assert (found[("mgw_sweep_sessions_listed",)], found[("mgw_sweep_batches_in_flight",)]) == (5, 1)
    state.finish_batch("one", "b", batches["b"], BatchResult(2))
    state.close("one")
    state.pause()
    found = scraped(ours)
    assert by_name(found, "sweep_status") == {"running": 0, "completed": 1, "incomplete": 0}
    assert (found[("mgw_sweep_sessions_listed",)], found[("mgw_sweeps_paused",)]) == (5, 1)


def test_a_broken_record_of_a_sweep_hides_sweeps_alone(broker: Broker, ours: Exporter) -> None:
    Sweeps(broker.redis).begin("one", Trigger.MANUAL, now())
    broker.redis.hset("memory_graph:sweep:one", "status", "exploded")
    found = scraped(ours)
    assert found["mgw_part_readable", "sweeps", "state"] == 0
    assert found["mgw_part_readable", "usage", "state"] == 1


def test_the_memory_and_the_role_of_redis_are_told(broker: Broker, exporter: Exporter) -> None:
    broker.redis.config_set("maxmemory", 2**30)
    found = scraped(exporter)
    assert found["mgw_redis_memory_bytes", "broker"] > 10_000
    assert by_name(found, "redis_memory_max_bytes") == {"broker": 2**30, "state": 2**30}
    broker.redis.config_set("maxmemory", 0)
    broker.redis.replicaof("127.0.0.1", 1)
    assert by_name(scraped(exporter), "redis_primary") == {"broker": 0, "state": 0}
    broker.redis.replicaof("NO", "ONE")


def test_the_operators_page_names_every_metric_and_prometheus_accepts_all(
    broker: Broker, ours: Exporter, promtool: Callable[[str], str]
) -> None:
    keys = installed(app).keys
    HoldStore(broker.redis, keys).put("vault", 0, "it is down")
    broker.redis.set(keys.permits("memory_graph.vault"), -1)
    Sweeps(broker.redis).begin("one", Trigger.MANUAL, now())
    scraped(ours)  # when that was is told from now on
    text = text_of(ours)
    page = (ROOT / "docs" / "operations.md").read_text()
    named = re.findall(r"^\| `(mgw_\w+)` \|", page, re.MULTILINE)
    exported = re.findall(r"^# TYPE (mgw_\w+)", text, re.MULTILINE)
    assert sorted(named) == sorted(name for name in exported if not name.endswith("_created"))
    assert promtool(text) == ""


def worked_ms(redis: Any) -> float:
    """How long Redis' main thread has worked, without what it waited for a processor."""
    cpu = redis.info("cpu")
    return 1000 * (cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"])


def test_a_scrape_of_a_hundred_queues_and_a_hundred_thousand_dead_letters_costs_little(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = tuple(f"queue {number}" for number in range(100))
    with broker.redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.lpush(queue, *['{"body":"' + "W10=" * 500 + '","headers":{"sent_at":1.5}}'] * 20)
        pipe.zadd(KEYS.unacked_index, {f"{number:036}:{queues[number % 100]}": time.time() for number in range(1000)})
        store_many_letters(pipe, 100_000)
        pipe.execute()
    exporter = Exporter(target_at(broker.url, queues, needs={queues[0]: ["bank"], queues[1]: ["post"]}))
    scraped(exporter)
    sent: list[object] = []
    send = AbstractConnection.send_packed_command
    watched = lambda *args, **options: (sent.append(args), send(*args, **options))[1]  # noqa: E731
    monkeypatch.setattr(AbstractConnection, "send_packed_command", watched)
    found = scraped(exporter)
    monkeypatch.undo()
    assert len(sent) == 2  # a pipeline is sent at once
    assert (found["mgw_queue_backlog", queues[0]], found[("mgw_messages_in_flight_unknown",)]) == (30, 0)
    assert sum(value for key, value in found.items() if key[0] == "mgw_dead_letters") == 100_000
    before = worked_ms(broker.redis)
    for _ in range(5):
        scraped(exporter)
    assert (worked_ms(broker.redis) - before) / 5 < 20


def store_many_letters(pipe: Any, count: int) -> None:
    """As many dead letters as there may be, in 300 groups, written as the index has them."""
    pot = KEYS.failures
    groups = [f'["order", "failed", "Error{number}"]' for number in range(300)]
    for first in range(0, count, 10_000):
        ids = range(first, first + 10_000)
        pipe.zadd(pot.by_time, {f"letter {number}": number for number in ids})
        pipe.hset(pot.letters, mapping={f"letter {number}": "x" * 300 for number in ids})
        pipe.hset(pot.group_of, mapping={f"letter {number}": groups[number % 300] for number in ids})
    pipe.zadd(pot.groups_by_count, {name: len(range(at, count, 300)) for at, name in enumerate(groups)})
