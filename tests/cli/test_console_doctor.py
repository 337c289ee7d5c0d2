"""The console's page Doctor, and the metrics that Flower serves."""

import re
from pathlib import Path

from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Reason
from support.broker import Broker
from support.console import Visitor, console
from support.console import flower as flower
from support.our_app import KEYS
from support.published import published
from support.scraping import parsed
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import SOON_SECS, until


def test_the_findings_are_shown_with_advice_the_worst_first(flower: Visitor, broker: Broker) -> None:
    DeadLetters(broker.redis, KEYS, Bounds()).add(DeadLetter("one", Reason.FAILED, "q", task="<b>t</b>"))
    assert flower.get("/doctor").secs < SOON_SECS
    until(lambda: "To check again, load this page again." in flower.get("/doctor").text)
    text = flower.get("/doctor").text
    assert re.search(r"dead letters ! warning 1 mgw dead list; then mgw dead replay or mgw dead purge\.", text)
    assert "services - not checked" in text
    states = re.findall(r" (✗|!|-|✓) (?:failure|warning|not checked|ok) ", text)
    assert states == sorted(states, key="✗!-✓".index)
    assert {"!", "-", "✓"} <= set(states)


def test_while_it_checks_it_says_so_and_looks_again_by_itself(broker: Broker, tmp_path: Path) -> None:
    with console(broker.url, tmp_path) as visitor:
        answer = visitor.get("/doctor")
        if "Checking …" in answer.text:
            assert answer.headers["Refresh"] == "2"
        until(lambda: "Checked at" in visitor.get("/doctor").text)


def test_without_redis_it_says_what_could_not_be_checked(tmp_path: Path) -> None:
    with console(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as visitor:
        until(lambda: "Checked at" in visitor.get("/doctor").text)
        assert "not checked: Redis does not serve it" in visitor.get("/doctor").text


def test_metrics_are_ours_and_no_event_adds_a_series(flower: Visitor, broker: Broker) -> None:
    until(lambda: parsed(flower.get("/metrics").html)[("mgw_events_connected",)] == 1)
    answer = flower.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    found = parsed(answer.html)
    assert found["mgw_queue_messages_waiting", "memory_graph.vault"] == 0
    assert found["mgw_redis_up", "broker"] == 1
    assert "process_resident_memory_bytes" in answer.html
    broker.redis.publish("/0.celeryev/task.multi", published([forged(number) for number in range(50)]))
    until(lambda: 'mgw_task_starts_total{task="other"} 50.0' in flower.get("/metrics").html)
    after = flower.get("/metrics").html
    assert parsed(after).keys() == found.keys()
    assert "flower_" not in after


def forged(number: int) -> dict[str, object]:
    """An event of a worker and of a task that nobody knows."""
    times = {"timestamp": 1.0, "clock": number, "local_received": 1.0, "utcoffset": 0, "pid": 1}
    return {**times, "type": "task-started", "uuid": f"u{number}", "name": f"n{number}", "hostname": f"h{number}"}


def test_metrics_come_in_time_though_redis_is_away(tmp_path: Path) -> None:
    with console(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as visitor:
        answer = visitor.get("/metrics")
        assert answer.secs < SOON_SECS
        assert parsed(answer.html)["mgw_redis_up", "broker"] == 0
