"""What a real worker records: each attempt of a task, until its children end, and nothing that a message forged."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery import DeadLetters
from support.broker import Broker
from support.broker import broker as broker
from support.broker import producer as producer
from support.broker import wait as wait
from support.fakes.http_server import FakeServer, Received, Step, answer
from support.forked import Forked, celery, mgw
from support.our_app import KEYS
from support.traces import Collector, Seen
from support.traces import collector as collector
from support.waiting import LONGEST_SECS

QUEUE, GET = "memory_graph.registry", "memory_graph.registry.get_session"
SESSION = {"model_id": "m", "started_at": "2020-01-01T00:00:00Z", "status": "active"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAMED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
FORGED: list[Any] = ["x" * 100_000, {"a": ["b"] * 1000}, 7, [f"00-{TRACE}-{SPAN}-01"], f"00-{TRACE}-{SPAN}-01-more"]
Start = Callable[..., Forked]


class Registry(FakeServer):
    """Answers as a session's name says: `tired` fails twice first, `gone` always."""

    def next_step(self, received: Received) -> Step:
        super().next_step(received)
        asked = received.path.rpartition("/")[2]
        if asked == "gone":
            return answer(404, {})
        if asked == "tired" and sum(one.path == received.path for one in self.requests) <= 2:
            return answer(503, {})
        return answer(200, {**SESSION, "session_id": asked})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as running:
        yield running


@pytest.fixture
def start(broker: Broker, registry: Registry, tmp_path: Path, until: Any) -> Iterator[Start]:
    """Starts a worker with more settings; its log is `tmp_path / "worker.log"`."""
    started: list[Forked] = []

    def begin(**settings: str) -> Forked:
        log = tmp_path / "worker.log"
        environ = {"REDIS_URL": broker.url, "REGISTRY_URL": registry.url, "VAULT_API_KEY": "k", **settings}
        command = ["-A", "memory_graph_workers.tasks.app", "worker", "-l", "INFO", "-c", "2"]
        started.append(celery(command, os.environ | environ, log))
        until(lambda: "ready." in log.read_text() or started[-1].poll() is not None)
        return started[-1]

    yield begin
    for one in started:
        one.terminate()
        one.wait(LONGEST_SECS)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines() if line.startswith("{")]


def attempts(collector: Collector, task_id: str) -> list[Seen]:
    return [one for one in collector.spans if one.attributes.get("messaging.message.id") == task_id]


def test_all_attempts_of_a_task_are_in_the_trace_of_its_message(
    start: Start, producer: Celery, collector: Collector, registry: Registry, tmp_path: Path, until: Any
) -> None:
    # Nothing is sent before the children end: what they recorded is not lost then.
    worker = start(**{**collector.environ, "OTEL_BSP_SCHEDULE_DELAY": "600000"})
    for task_id in ("tired", "gone"):
        producer.send_task(GET, (task_id,), queue=QUEUE, task_id=task_id, headers=NAMED)
    until(lambda: all(producer.backend.get_state(one) in ("SUCCESS", "FAILURE") for one in ("tired", "gone")))
    worker.terminate()
    worker.wait(LONGEST_SECS)

    tired, (gone,) = attempts(collector, "tired"), attempts(collector, "gone")
    assert sorted(one.attributes["celery.state"] for one in tired) == ["RETRY", "RETRY", "SUCCESS"]
    assert sorted(one.attributes["celery.retries"] for one in tired) == [0, 1, 2]
    assert {(one.trace_id, one.parent_id, one.failed) for one in tired} == {(TRACE, SPAN, False)}
    assert (gone.trace_id, gone.parent_id, gone.failed) == (TRACE, SPAN, True)
    assert gone.attributes["error.type"] == "Refused"
    assert {one.service for one in (gone, *tired)} == {"memory-graph-worker"}

    asked = [one.headers for one in registry.requests if one.path != "/health"]
    calls = [one for one in collector.named("GET /api/v1/sessions/{session_id}") if one.trace_id == TRACE]
    assert [sum(one.is_named_by(headers) for one in calls) for headers in asked] == [1] * 4
    assert {one.parent_id for one in calls} == {one.span_id for one in (gone, *tired)}

    said = [line for line in lines(tmp_path) if line.get("task_id") in ("tired", "gone")]
    assert [line["event"] for line in said if line.get("trace_id") != TRACE] == []
    for event in ("received", "is among the dead letters", "succeeded", "failed", "Retry in"):
        assert any(event in line["event"] for line in said), event


def test_a_forged_header_fails_no_task_and_begins_a_trace(
    start: Start, producer: Celery, collector: Collector, until: Any
) -> None:
    start(**collector.environ)
    ids = [f"forged-{number}" for number in range(len(FORGED))]
    for task_id, forged in zip(ids, FORGED, strict=True):
        headers = {"traceparent": forged, "tracestate": "y" * 100_000}
        producer.send_task(GET, (task_id,), queue=QUEUE, task_id=task_id, headers=headers)
    until(lambda: all(attempts(collector, one) for one in ids))
    assert {producer.backend.get_state(one) for one in ids} == {"SUCCESS"}
    seen = [one for task_id in ids for one in attempts(collector, task_id)]
    assert {one.parent_id for one in seen} == {""}
    assert TRACE not in {one.trace_id for one in seen}
    assert len({one.trace_id for one in seen}) == len(ids)


def test_a_letter_keeps_the_trace_and_a_replay_is_seen_in_it(
    start: Start, producer: Celery, broker: Broker, collector: Collector, until: Any
) -> None:
    start(**collector.environ)
    kept = DeadLetters(broker.redis, KEYS)
    producer.send_task(GET, ("gone",), queue=QUEUE, task_id="kept", headers=NAMED)
    until(lambda: kept.has("kept"))
    told = mgw("dead", "replay", "kept", "--yes", environ=os.environ | {"REDIS_URL": broker.url})
    assert told.returncode == 0, told.stdout + told.stderr
    until(lambda: len(attempts(collector, "kept")) == 2)
    assert {(one.trace_id, one.parent_id) for one in attempts(collector, "kept")} == {(TRACE, SPAN)}


def test_without_an_exporter_nothing_is_recorded_and_the_log_has_the_trace_all_the_same(
    start: Start, producer: Celery, registry: Registry, tmp_path: Path, until: Any
) -> None:
    start()
    for task_id, headers in (("joined", NAMED), ("forged", {"traceparent": "x"}), ("none", {})):
        producer.send_task(GET, (task_id,), queue=QUEUE, task_id=task_id, headers=headers)
    until(lambda: all(producer.backend.get_state(one) == "SUCCESS" for one in ("joined", "forged", "none")))
    assert [one.path for one in registry.requests if "traceparent" in one.headers] == []
    until(lambda: sum("succeeded in" in line["event"] for line in lines(tmp_path)) == 3)
    ends = {line["task_id"]: line for line in lines(tmp_path) if "succeeded in" in line["event"]}
    assert [ends[one].get("trace_id") for one in ("joined", "forged", "none")] == [TRACE, None, None]


def test_every_line_of_a_sweeps_batch_names_the_sweep_also_of_one_that_fails(
    start: Start, producer: Celery, broker: Broker, tmp_path: Path, until: Any
) -> None:
    start()
    name = "memory_graph.archival.archive_batch"
    wrong = {"sweep_id": "the-sweep", "session_ids": 7}
    producer.send_task(name, kwargs=wrong, queue="memory_graph.archival", task_id="batch", headers=NAMED)
    until(lambda: DeadLetters(broker.redis, KEYS).has("batch"))
    until(lambda: "is among the dead letters" in (tmp_path / "worker.log").read_text())
    said = [line for line in lines(tmp_path) if line.get("task_id") == "batch"]
    assert len(said) == 3
    assert {(line.get("sweep_id"), line.get("trace_id")) for line in said} == {("the-sweep", TRACE)}


def test_a_collector_that_is_away_holds_up_neither_tasks_nor_the_end(
    start: Start, producer: Celery, tmp_path: Path, until: Any
) -> None:
    worker = start(OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    producer.send_task(GET, ("fine",), queue=QUEUE, task_id="fine")
    until(lambda: producer.backend.get_state("fine") == "SUCCESS")
    worker.terminate()
    assert worker.wait(LONGEST_SECS) == 0
    assert "exception" not in [name for line in lines(tmp_path) for name in line]


@pytest.mark.parametrize(("name", "told"), [("nothing-such", "no exporter nothing-such is installed")])
def test_a_worker_without_its_exporter_does_not_start(start: Start, tmp_path: Path, name: str, told: str) -> None:
    worker = start(OTEL_TRACES_EXPORTER=name)
    assert worker.wait(LONGEST_SECS) != 0
    assert told in (tmp_path / "worker.log").read_text()
