"""`mgw metrics`: what is counted of the events of workers, and what forged ones cannot do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.cli.metrics.events import TaskEvents
from memory_graph_workers.cli.metrics.exporter import Exporter
from memory_graph_workers.cli.target import Target
from memory_graph_workers.delivery import installed
from prometheus_client import CollectorRegistry, generate_latest
from support.broker import Broker
from support.broker import broker as broker
from support.broker import producer as producer
from support.delivery_producer import app_at
from support.published import published
from support.scraping import by_name, parsed, scraped, target_at
from support.waiting import until
from support.worker import Worker, ready_worker

EVENT = {"type": "task-succeeded", "uuid": "1", "name": "order", "runtime": 0.2, "hostname": "one", "clock": 5}


@pytest.fixture
def heard() -> Callable[..., dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    events = TaskEvents(registry, {"order"})

    def hear(*messages: bytes) -> dict[tuple[str, ...], float]:
        for message in messages:
            events.hear(message)
        found = parsed(generate_latest(registry).decode())
        return {key: value for key, value in found.items() if value and not key[0].endswith("_created")}

    return hear


def test_runs_and_durations_are_counted_by_task(heard: Callable[..., Any]) -> None:
    batch = [
        EVENT,
        {**EVENT, "type": "task-failed"},
        {**EVENT, "type": "task-retried"},
        {**EVENT, "type": "task-started"},
    ]
    found = heard(published(batch), published(EVENT))
    runs = {outcome: count for (name, outcome, *_), count in found.items() if name == "mgw_task_runs_total"}
    assert runs == {"succeeded": 2, "failed": 1, "retried": 1}
    assert found["mgw_task_starts_total", "order"] == 1
    assert (found["mgw_task_duration_seconds_count", "order"], found["mgw_task_duration_seconds_sum", "order"]) == (
        2,
        0.4,
    )


@pytest.mark.parametrize("name", ["<b>x</b>", "\x1b[31mred", "", None, 5, ["order"], {"order": 1}, "x" * 100_000])
def test_a_forged_name_makes_no_label(heard: Callable[..., Any], name: object) -> None:
    found = heard(published({**EVENT, "name": name}))
    assert found["mgw_task_runs_total", "succeeded", "other"] == 1
    assert {label for key in found for label in key[1:]} <= {"succeeded", "other", *found_buckets(found)}


def found_buckets(found: dict[tuple[str, ...], float]) -> set[str]:
    return {key[1] for key in found if key[0] == "mgw_task_duration_seconds_bucket"}


@pytest.mark.parametrize("runtime", ["1", None, True, -1, 1e300, [], {}])
def test_a_forged_duration_is_not_counted(heard: Callable[..., Any], runtime: object) -> None:
    found = heard(published({**EVENT, "runtime": runtime}))
    assert found["mgw_task_runs_total", "succeeded", "order"] == 1
    assert ("mgw_task_duration_seconds_count", "order") not in found


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\xff", b"{}", b"[]", b"null", published(""), published("[" * 500 + "]" * 500),
        published([1, None, "x", [EVENT]]),
        published({**EVENT, "type": ["task-succeeded"]}), published({**EVENT, "type": "task-"}), published({}),
        published("[" + "1," * 2_000_000 + "1]"),
    ],
)  # fmt: skip
def test_what_is_no_event_of_a_task_is_dropped(heard: Callable[..., Any], message: bytes) -> None:
    assert heard(message) == {}


@pytest.fixture
def exporter(broker: Broker) -> Exporter:
    exporter = Exporter(target_at(broker.url))
    exporter.events.start()
    until(lambda: exporter.events.is_connected)
    return exporter


def test_events_are_heard_again_after_an_outage(broker: Broker, exporter: Exporter) -> None:
    broker.stop()
    until(lambda: scraped(exporter)[("mgw_events_connected",)] == 0)
    broker.start()
    until(lambda: scraped(exporter)[("mgw_events_connected",)] == 1)
    broker.redis.publish("/0.celeryev/task.multi", published([EVENT]))
    until(lambda: scraped(exporter)["mgw_task_runs_total", "succeeded", "order"] == 1)


@pytest.fixture
def worker(broker: Broker, tmp_path: Path) -> Iterator[Worker]:
    with ready_worker(broker, tmp_path / "log") as worker:
        yield worker


def target_of(broker: Broker) -> Target:
    """The app of delivery_app.py, as a tool knows it that runs beside its workers."""
    app = app_at(broker.url, ("good", "slow", "again"), visibility_timeout_secs=3)
    return Target(app, installed(app), "delivery", is_ours=False)


@pytest.mark.stack
def test_what_a_worker_does_is_seen(broker: Broker, worker: Worker, producer: Celery) -> None:
    exporter = Exporter(target_of(broker))
    exporter.events.start()
    until(lambda: exporter.events.is_connected)
    until(lambda: scraped(exporter)[("mgw_workers",)] == 1)
    producer.send_task("good", [1])
    producer.send_task("slow", ["x", 600])
    producer.send_task("again", ["y", 0])
    until(lambda: scraped(exporter)["mgw_task_runs_total", "succeeded", "good"] == 1)
    until(lambda: scraped(exporter)["mgw_task_runs_total", "retried", "again"] == 1)
    until(lambda: by_name(scraped(exporter), "queue_messages_in_flight")["work"] == 1)
    found = scraped(exporter)
    assert found["mgw_task_starts_total", "slow"] == 1
    assert found[("mgw_messages_in_flight_unknown",)] == 0
    worker.kill()
    until(lambda: scraped(exporter)[("mgw_workers",)] == 0)
    assert by_name(scraped(exporter), "queue_backlog")["work"] == 1
