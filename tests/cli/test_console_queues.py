"""The console's page Queues, and what all of its pages keep to: tokens, read-only, time limits, text that is text."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from memory_graph_workers.cli.flower.console.templates import FLOWERS
from memory_graph_workers.delivery.held_queues.holds import DOWN, HoldStore
from support.broker import Broker
from support.console import USER, Visitor, console
from support.console import flower as flower
from support.our_app import KEYS
from support.servers import PREFIX
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import SOON_SECS, until

VAULT, REGISTRY = "memory_graph.vault", "memory_graph.registry"
HOSTILE = "<script>alert(1)</script> \x1b[31mred \u202ethgir"


@pytest.fixture
def visitor(flower: Visitor, broker: Broker) -> Visitor:
    """Somebody who has just opened the page, on an empty Redis."""
    assert flower.get("/queues").status == 200
    return flower


def holds(broker: Broker) -> HoldStore:
    return HoldStore(broker.redis, KEYS)


def message(sent_at: float) -> str:
    headers = {"task": f"{REGISTRY}.get_session", "id": str(uuid4()), "sent_at": sent_at}
    return json.dumps({"body": "W10=", "headers": headers, "properties": {}})


def test_it_shows_what_waits_what_is_in_flight_and_what_is_held(visitor: Visitor, broker: Broker) -> None:
    broker.redis.lpush(f"{PREFIX}{VAULT}", message(time.time() - 7200), message(time.time()))
    broker.redis.zadd(KEYS.unacked_index, {f"{uuid4()}:{VAULT}": time.time()})
    holds(broker).put("vault", 0, DOWN)
    row = visitor.get("/queues").text.partition(f"{VAULT} ")[2]
    assert re.match(rf"2 1 2 h for vault, \d+ s ago: {DOWN}; 0 a second may be taken", row)


def test_a_queue_with_a_broken_key_does_not_hide_the_others(visitor: Visitor, broker: Broker) -> None:
    broker.redis.set(f"{PREFIX}{VAULT}", "a text")
    text = visitor.get("/queues").text
    assert f"{VAULT} cannot be read 0" in text
    assert f"{REGISTRY} 0 0" in text


@pytest.mark.parametrize(("action", "is_held"), [("hold", True), ("free", False)])
def test_a_person_holds_a_queue_or_keeps_it_free_with_a_reason(
    visitor: Visitor, broker: Broker, action: str, is_held: bool
) -> None:
    told = len(visitor.actions())
    text = visitor.did("/queues", action=action, queue=VAULT, reason="the disk is changed").text
    found = holds(broker).by_hand()[VAULT]
    assert (found.is_held, found.by, found.reason) == (is_held, USER, "the disk is changed")
    assert re.search(rf"{'held' if is_held else 'kept free'} by {USER}, \d+ s ago: the disk is changed", text)
    [line] = visitor.actions()[told:]
    facts = {name: line[name] for name in ("user", "action", "on", "outcome", "reason")}
    assert facts == {
        "user": USER, "action": action, "on": VAULT, "outcome": "done", "reason": "the disk is changed",
    }  # fmt: skip


def test_a_queue_is_left_to_its_services_again(visitor: Visitor, broker: Broker) -> None:
    holds(broker).hold_by_hand(VAULT, "bob", "because")
    text = visitor.did("/queues", action="auto", queue=VAULT, reason="").text
    assert "it is left to its services" in text
    assert holds(broker).by_hand() == {}


def test_a_held_service_is_tried(visitor: Visitor, broker: Broker) -> None:
    holds(broker).put("vault", 0, DOWN)
    assert "Try a service now" in visitor.get("/queues").text
    visitor.did("/queues", action="try", service="vault")
    assert holds(broker).take_trial("vault")


def test_only_what_is_held_is_offered_for_a_trial(visitor: Visitor) -> None:
    assert "Try a service now" not in visitor.get("/queues").text


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "hold", "queue": VAULT, "reason": " "},
        {"action": "hold", "queue": VAULT},
        {"action": "hold", "queue": "nobody's", "reason": "x"},
        {"action": "hold", "queue": VAULT, "reason": "x" * 201},
        {"action": "hold", "queue": VAULT, "reason": "\u202ethgir"},
        {"action": "burn", "queue": VAULT, "reason": "x"},
        {"action": "try", "service": "nobody"},
        {},
    ],
)
def test_a_form_that_nobody_could_fill_in_is_refused(visitor: Visitor, broker: Broker, fields: dict[str, str]) -> None:
    assert visitor.post("/queues", **fields).status == 400
    assert holds(broker).by_hand() == {}


def test_what_anybody_wrote_is_shown_as_text(visitor: Visitor, broker: Broker) -> None:
    holds(broker).put("vault", 0, HOSTILE)
    visitor.did("/queues", action="hold", queue=VAULT, reason="<b>bold</b>")
    answer = visitor.get("/queues")
    assert "<b>bold</b>" in answer.text
    assert r"<script>alert(1)</script> \x1b[31mred \u202ethgir" in answer.text
    assert "<script>alert" not in answer.html
    assert "\x1b" not in answer.html


@pytest.mark.parametrize("token", ["", "wrong", "2|00000000|00000000000000000000000000000000|1700000000"])
def test_a_wrong_or_missing_token_is_refused(visitor: Visitor, broker: Broker, token: str) -> None:
    told = len(visitor.actions())
    answer = visitor.post("/queues", token, action="hold", queue=VAULT, reason="x")
    assert (answer.status, holds(broker).by_hand()) == (403, {})
    assert len(visitor.actions()) == told


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}])
def test_what_another_site_sends_is_refused_though_the_token_is_right(
    visitor: Visitor, broker: Broker, headers: dict[str, str]
) -> None:
    answer = visitor.post("/queues", headers=headers, action="hold", queue=VAULT, reason="x")
    assert (answer.status, holds(broker).by_hand()) == (403, {})


def test_no_page_runs_a_script_of_its_own_or_is_put_in_a_frame(visitor: Visitor) -> None:
    for answer in (visitor.get("/queues"), visitor.post("/queues", "wrong")):
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "<script>" not in answer.html
        assert " onclick" not in answer.html
        assert " style=" not in answer.html


def test_the_cookie_stays_on_this_site(running: Broker, tmp_path: Path) -> None:
    with console(running.url, tmp_path) as visitor:
        assert "samesite=strict" in visitor.get("/queues").headers["Set-Cookie"].lower()


def test_flowers_own_pages_lead_to_the_consoles(visitor: Visitor) -> None:
    html = visitor.get("/workers").html
    assert all(f'href="/{path}"' in html for path in ("tasks", "broker", "queues", "sweeps", "dead-letters", "doctor"))


def test_the_navigation_bar_of_flower_is_the_one_that_ours_stands_below() -> None:
    """Ours includes it. If it changed, look at every page at 400 and at 1280 pixels, then write down the new hash."""
    found = sha256((FLOWERS / "navbar.html").read_bytes()).hexdigest()
    assert found == "2c0d5ff17f86a62e30b4ee8191245f4d6bcf808f8ff078f8d3d684edefa04949"


def test_who_may_only_look_sees_no_forms_and_changes_nothing(running: Broker, broker: Broker, tmp_path: Path) -> None:
    holds(broker).put("vault", 0, DOWN)
    with console(running.url, tmp_path, FLOWER_READ_ONLY="true") as visitor:
        for path in ("/queues", "/sweeps", "/dead-letters", "/doctor"):
            assert '<form method="post"' not in visitor.get(path).html
        visitor.get("/tasks")  # any page of Flower's gives a cookie
        visitor.token = visitor.cookie
        answer = visitor.post("/queues", action="hold", queue=VAULT, reason="x")
    assert answer.status == 403
    assert "FLOWER_READ_ONLY" in answer.text
    assert holds(broker).by_hand() == {}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A server that a test may hurt."""
    broker = Broker(tmp_path)
    yield broker
    broker.process.send_signal(signal.SIGCONT)
    broker.redis.close()
    broker.stop()


@pytest.mark.parametrize(
    "paths", [["/queues"], ["/sweeps"], ["/dead-letters"], ["/queues", "/sweeps", "/dead-letters"]]
)
def test_while_redis_says_nothing_a_page_says_so_soon_and_shows_what_it_knew_as_stale(
    own: Broker, tmp_path: Path, paths: list[str]
) -> None:
    with console(own.url, tmp_path) as visitor:
        for path in paths:
            assert visitor.get(path).status == 200
        os.kill(own.process.pid, signal.SIGSTOP)
        for path in paths:
            answer = visitor.get(path)
            assert answer.status == 503
            assert answer.secs < SOON_SECS
            assert "has not answered" in answer.text
            assert "stale: it was read at 20" in answer.text
        own.process.send_signal(signal.SIGCONT)
        until(lambda: [visitor.get(path).status for path in paths] == [200] * len(paths))


def test_an_action_that_redis_does_not_answer_is_told_and_logged(own: Broker, tmp_path: Path) -> None:
    with console(own.url, tmp_path) as visitor:
        visitor.get("/queues")
        os.kill(own.process.pid, signal.SIGSTOP)
        answer = visitor.post("/queues", action="hold", queue=VAULT, reason="x")
        assert answer.status == 503
        assert answer.secs < SOON_SECS
        assert "It may still be done" in answer.text
        own.process.send_signal(signal.SIGCONT)
        assert [line["outcome"] for line in visitor.actions()] == ["no answer"]


def test_without_redis_from_the_start_nothing_is_shown_as_known(own: Broker, tmp_path: Path) -> None:
    own.stop()
    with console(own.url, tmp_path) as visitor:
        answer = visitor.get("/queues")
        assert answer.status == 503
        assert "Nothing was read before." in answer.text
    own.start()


def test_many_who_ask_while_redis_says_nothing_are_all_answered(own: Broker, tmp_path: Path) -> None:
    with console(own.url, tmp_path) as visitor, ThreadPoolExecutor(20) as people:
        visitor.get("/queues")
        os.kill(own.process.pid, signal.SIGSTOP)
        found = list(people.map(visitor.get, [f"/sweeps/sweep/{number}" for number in range(20)]))
        own.process.send_signal(signal.SIGCONT)
        assert {answer.status for answer in found} == {503}
        assert max(answer.secs for answer in found) < SOON_SECS
