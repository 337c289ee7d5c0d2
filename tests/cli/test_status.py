"""`mgw status`: one look at a real Valkey, what is said while it is away, and how the screen is left."""

import gc
import io
import json
import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.status.screen import screen
from memory_graph_workers.cli.status.snapshot import Looks
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Keys, Reason
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Sweeps
from rich.console import Console
from support.broker import Broker
from support.forked import mgw
from support.looked_at import WAITING, environ_of
from support.scraping import target_at
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.silent import silent as silent
from support.waiting import LONGEST_SECS, SOON_SECS, until

APPS = Path(__file__).parent / "apps"
KEYS = Keys("shop")


def drawn(found: dict[str, Any], width: int = 80) -> str:
    """What a terminal of this width shows."""
    text = io.StringIO()
    Console(file=text, width=width).print(screen(found))
    return text.getvalue()


def rows(found: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {row[name]: row for row in found}


def test_one_look_tells_what_waits_what_is_held_and_why_and_what_failed(broker: Broker) -> None:
    broker.redis.lpush("orders", *[WAITING % (time.time() - 100)] * 3)
    broker.redis.lpush("payments", WAITING % time.time())
    broker.redis.zadd(KEYS.workers, {"one": time.time() + 60, "killed": time.time() - 2})
    broker.redis.zadd(KEYS.unacked_index, {f"{1:036}:orders": time.time()})
    HoldStore(broker.redis, KEYS).put("bank", 0, "it is down")
    letters = DeadLetters(broker.redis, KEYS, Bounds(most=3))
    for number in range(4):
        letters.add(DeadLetter(str(number), Reason.FAILED, "orders", task="order", payload={}))
    letters.quarantine(b"junk", "orders")
    found = Looks(target_at(broker.url, bounds=Bounds(most=3))).look()
    assert found["ok"] is True
    assert found["workers"] == {"alive": 1, "scheduled": 0, "abandoned": 0, "in_flight_unknown": 0}
    queues = rows(found["queues"], "queue")
    assert [(name, one["waiting"], one["in_flight"], one["is_held"]) for name, one in queues.items()] == [
        ("orders", 3, 1, False), ("payments", 1, 0, True), ("mails", 0, 0, True),
    ]  # fmt: skip
    assert queues["orders"]["oldest_age_secs"] == pytest.approx(100, abs=20)
    assert (queues["mails"]["held_for"], queues["mails"]["why"]) == ("bank", "it is down")
    assert isinstance(queues["mails"]["since"], datetime)
    assert (queues["orders"]["held_for"], queues["orders"]["since"], queues["mails"]["oldest_age_secs"]) == (None,) * 3
    services = rows(found["services"], "service")
    assert [(one["breaker"], one["is_held"], one["permits_a_second"]) for one in services.values()] == [
        ("closed", True, 0), ("closed", False, None),
    ]  # fmt: skip
    pots = rows(found["dead_letters"], "pot")
    assert (pots["failures"]["count"], pots["failures"]["dropped"], pots["quarantine"]["count"]) == (3, 1, 1)
    assert pots["failures"]["groups"] == [{"task": "order", "reason": "failed", "count": 3}]
    assert pots["quarantine"]["groups"] == [{"task": None, "reason": "broken_envelope", "count": 1}]
    assert (found["sweeps"], found["beat"]) == (None, None)
    shown = drawn(found)
    assert max(map(len, shown.splitlines())) <= 80
    for part in ("1 alive", "bank: it is down, for ", "3 order failed", "1 more were dropped at a bound", "primary, "):
        assert part in shown


def test_a_queue_that_its_dead_letters_hold_says_so(broker: Broker) -> None:
    HoldStore(broker.redis, KEYS).note_full("orders")
    broker.redis.set(KEYS.permits("mails"), -1)  # somebody limits it, and no service is the reason
    queues = rows(Looks(target_at(broker.url)).look()["queues"], "queue")
    assert (queues["orders"]["held_for"], queues["orders"]["is_held"]) == ("dead letters", True)
    assert (queues["mails"]["is_held"], queues["mails"]["held_for"], queues["mails"]["permits"]) == (True, None, 0)


def test_what_a_person_decided_about_a_queue_is_told_with_who_and_why(broker: Broker) -> None:
    holds = HoldStore(broker.redis, KEYS)
    holds.put("bank", 0, "it is down")
    holds.hold_by_hand("orders", "alice", "we count the stock")
    holds.release_by_hand("payments", "bob", "its breaker is wrong")
    found = Looks(target_at(broker.url)).look()
    queues = rows(found["queues"], "queue")
    assert [(one["is_held"], one["held_for"], one["why"]) for one in queues.values()] == [
        (True, "a person", "alice: we count the stock"),
        (False, None, None),
        (True, "bank", "it is down"),
    ]
    assert isinstance(queues["orders"]["since"], datetime)
    assert (queues["payments"]["by_hand"]["is_held"], queues["payments"]["by_hand"]["by"]) == (False, "bob")
    assert queues["mails"]["by_hand"] is None
    shown = drawn(found, 100)
    assert "a person: alice: we count the stock, for " in shown
    assert "kept free by bob: its breaker is wrong" in shown


def test_of_our_own_app_it_tells_the_newest_sweep_and_beat(broker: Broker) -> None:
    state = Sweeps(broker.redis)
    state.begin("sweep-1", Trigger.MANUAL, now())
    batches = {"a": ["1", "2", "3"], "b": ["4"]}
    state.keep_page("sweep-1", Page(Position(index=0), batches, Cursor(2)))
    state.finish_batch("sweep-1", "a", batches["a"], BatchResult(1, failed={"2": "why"}, skipped={"3": "why"}))
    state.pause()
    told = mgw("status", "--json", environ=environ_of(broker.url))
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert found["sweeps"]["is_paused"] is True
    newest = found["sweeps"]["newest"]
    names = ("sweep_id", "status", "reason", "finished_at", "listed", "archived", "failed", "skipped", "pending")
    assert [newest[name] for name in names] == ["sweep-1", "running", None, None, 4, 1, 1, 1, 1]
    assert newest["started_at"].endswith("Z")
    assert found["beat"] == {"has_lock": False, "beats": 0}
    shown = mgw("status", environ=environ_of(broker.url)).stdout
    assert "Paused (mgw sweeps resume). sweep-1: running" in shown
    assert "NOBODY has its lock" in shown
    assert "\x1b" not in shown


def test_before_the_first_sweep_there_is_none_and_that_is_not_unknown(broker: Broker) -> None:
    found = json.loads(mgw("status", "--json", environ=environ_of(broker.url)).stdout)
    assert found["sweeps"] == {"is_paused": False, "newest": None}
    assert "None yet." in mgw("status", environ=environ_of(broker.url)).stdout


def test_a_foreign_app_is_looked_at_by_its_name(broker: Broker) -> None:
    told = mgw("status", "--app", "shop:app", "--json", environ={**os.environ, "SHOP_URL": broker.url}, cwd=APPS)
    found = json.loads(told.stdout)
    assert (told.returncode, found["app"], found["sweeps"]) == (0, "shop:app", None)
    assert {row["queue"] for row in found["queues"]} == {"orders", "payments"}


def knows_nothing(found: dict[str, Any]) -> bool:
    """Whether every number is unknown."""
    numbers = [*found["workers"].values(), *(pot["count"] for pot in found["dead_letters"])]
    numbers += [queue[name] for queue in found["queues"] for name in ("waiting", "in_flight", "is_held")]
    return set(numbers) == {None} and all(service["breaker"] is None for service in found["services"])


def test_a_missing_redis_is_told_and_nothing_is_made_up() -> None:
    away = environ_of("redis://127.0.0.1:1/0")
    told = mgw("status", "--json", environ=away)
    found = json.loads(told.stdout)
    assert (told.returncode, found["ok"]) == (1, False)
    assert [(one["is_up"], one["is_stale"], one["error"], one["read_at"]) for one in found["servers"]] == [
        (False, False, "ConnectionError", None)
    ] * 2
    assert knows_nothing(found)
    shown = mgw("status", environ=away)
    assert shown.returncode == 1
    assert "Redis (broker) does not answer (ConnectionError)." in shown.stdout
    assert "Queues (unknown)" in shown.stdout
    assert "Traceback" not in shown.stderr


def test_a_redis_that_says_nothing_is_told_in_time(silent: str) -> None:
    looks = Looks(target_at(silent))
    began = time.monotonic()
    found = looks.look()
    assert time.monotonic() - began < SOON_SECS
    assert [(one["is_up"], one["error"]) for one in found["servers"]] == [(False, "TimeoutError")] * 2
    assert knows_nothing(found)
    assert mgw("status", environ=environ_of(silent)).returncode == 1


def test_a_look_ends_in_time_also_if_nothing_else_ends_it(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("redis.client.Pipeline.execute", lambda *args, **options: released.wait(LONGEST_SECS))
    began = time.monotonic()
    try:
        assert Looks(target_at(silent)).look()["ok"] is False
        assert time.monotonic() - began < SOON_SECS
    finally:
        released.set()


def test_what_was_known_last_stays_and_is_marked_as_stale_with_its_time(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.redis.lpush("orders", *[WAITING % time.time()] * 3)
    looks = Looks(target_at(broker.url))
    before = looks.look()
    broker.stop()
    after = looks.look()
    assert after["ok"] is False
    assert [row["waiting"] for row in after["queues"]] == [row["waiting"] for row in before["queues"]] == [3, 0, 0]
    for old, new in zip(before["servers"], after["servers"], strict=True):
        assert (new["is_up"], new["is_stale"], new["read_at"]) == (False, True, old["read_at"])
    shown = drawn(after)
    assert f"Queues (STALE: of {before['servers'][0]['read_at']:%H:%M:%S} UTC, " in shown
    assert "It answered last" in shown
    broker.start()
    broker.redis.lpush("orders", WAITING % time.time())
    assert [row["waiting"] for row in looks.look()["queues"]] == [4, 0, 0]
    broker.redis.close()
    broker.stop()


def test_what_looked_and_is_dropped_keeps_no_connection(broker: Broker) -> None:
    connected = {client["id"] for client in broker.redis.client_list()}
    assert Looks(target_at(broker.url)).look()["ok"]
    gc.collect()
    until(lambda: {client["id"] for client in broker.redis.client_list()} <= connected)


def test_a_part_that_cannot_be_read_is_named_and_hides_that_part_alone(broker: Broker) -> None:
    broker.redis.set(KEYS.unacked_index, "a text")
    broker.redis.lpush("orders", WAITING % time.time())
    found = Looks(target_at(broker.url)).look()
    assert (found["ok"], found["servers"][0]["unreadable"]) == (False, ["fleet"])
    assert (found["workers"]["alive"], found["queues"][0]["waiting"]) == (None, 1)
    assert "Redis (broker): cannot read fleet." in drawn(found)


def test_names_and_reasons_from_elsewhere_are_shown_plain(broker: Broker) -> None:
    odd = "\x1b[31m[bold]red\u202e"
    HoldStore(broker.redis, KEYS).put("bank", 0, odd)
    shown = drawn(Looks(target_at(broker.url, (odd, "payments"), needs={odd: ["bank"]})).look(), 120)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("\\x1b[31m[bold]red\\u202e") >= 3


def test_a_time_that_no_calendar_has_hides_nothing(broker: Broker) -> None:
    broker.redis.hset(KEYS.hold("bank"), mapping={"since": "0001-01-01T00:00:00+05:00", "permits": "0", "why": "x"})
    found = Looks(target_at(broker.url)).look()
    assert (found["ok"], found["servers"][1]["unreadable"]) == (True, [])
    assert [one["service"] for one in found["services"] if one["is_held"]] == ["bank"]
    assert found["queues"][0]["waiting"] == 0


def test_of_many_queues_the_screen_has_those_with_most_to_do(broker: Broker) -> None:
    queues = tuple(f"queue-{number}" for number in range(40))
    broker.redis.lpush("queue-39", *[WAITING % time.time()] * 5)
    found = Looks(target_at(broker.url, queues, needs={"queue-38": ["bank"]})).look()
    assert len(found["queues"]) == 40
    shown = drawn(found)
    assert "queue-39" in shown
    assert "… and 28 more" in shown


@pytest.mark.parametrize("columns", ["0", "1", "20", "wide", ""])
def test_one_look_needs_no_room(columns: str) -> None:
    told = mgw("status", environ={**environ_of("redis://127.0.0.1:1/0"), "COLUMNS": columns, "LINES": "0"})
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "does not answer" in told.stdout
