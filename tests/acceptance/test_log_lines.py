"""Every line that a worker logs while a task runs names the task, and the task's last line its latest request."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from support.broker import Broker
from support.fakes.http_server import FakeServer, Received, Step, answer, cut
from support.forked import celery
from support.waiting import LONGEST_SECS

QUEUE, GET, BATCH = (
    "memory_graph.registry",
    "memory_graph.registry.get_session",
    "memory_graph.registry.track_usage_batch",
)
SESSION = {"model_id": "m", "started_at": "2020-01-01T00:00:00Z", "status": "active"}
FINE = [f"fine-{number}" for number in range(6)]
REPORTS = 12
BAD = "s3"  # the session of a report that is refused
Line = dict[str, Any]


class Registry(FakeServer):
    """Answers as a session's name says: `tired` fails twice first, `cut` once, `gone` always."""

    def next_step(self, received: Received) -> Step:
        super().next_step(received)
        asked = received.path.rpartition("/")[2]
        times = sum(one.path == received.path for one in self.requests)
        if asked == "gone":
            return answer(404, {})
        if asked == "tired" and times <= 2:
            return answer(503, {})
        if asked == "cut" and times == 1:
            return cut
        if asked == "usage":
            return answer(422 if received.json["session_id"] == BAD else 202, {})
        return answer(200, {**SESSION, "session_id": asked})


class Fleet:
    """A worker, what it logged, and what its Registry was asked."""

    def __init__(self, log: Path, registry: Registry) -> None:
        self._log, self.registry = log, registry

    @property
    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def said(self) -> str:
        """The end of what it logged."""
        return self._log.read_text()[-10_000:]

    @property
    def asked(self) -> dict[str, str]:
        """The session of each request, by the request's id."""
        return {one.headers["x-request-id"]: one.path.rpartition("/")[2] for one in self.registry.requests}

    def ends(self, task_id: str) -> list[Line]:
        """The last line of each attempt."""
        return [one for one in self.lines if one["logger"] == "celery.app.trace" and f"[{task_id}]" in one["event"]]


@pytest.fixture(params=[1, 4], ids=["one child", "four children"])
def fleet(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path, until: Any) -> Iterator[Fleet]:
    path = tmp_path / "worker.log"
    command = ["-A", "memory_graph_workers.tasks.app", "worker", "-l", "INFO", "-c", str(request.param)]
    with Registry() as registry:
        environ = {"REDIS_URL": broker.url, "REGISTRY_URL": registry.url, "VAULT_API_KEY": "k"}
        worker = celery(command, os.environ | environ, path)
        until(lambda: "ready." in path.read_text() or worker.poll() is not None)
        yield Fleet(path, registry)
        worker.terminate()
        worker.wait(LONGEST_SECS)


@pytest.fixture
def worked(fleet: Fleet, producer: Celery, until: Callable[[Callable[[], object]], None]) -> Fleet:
    """The fleet after tasks that succeed, fail, are tried again, and make calls in threads, one among the others."""
    tasks = [*FINE[:3], "gone", "tired", "cut", *FINE[3:]]
    for task_id in tasks:
        producer.send_task(GET, (task_id,), queue=QUEUE, task_id=task_id)
    reports = [{"session_id": f"s{number}", "prompt_tokens": 1, "completion_tokens": 1} for number in range(REPORTS)]
    producer.send_task(BATCH, kwargs={"reports": reports}, queue=QUEUE, task_id="batch")
    states = ("SUCCESS", "FAILURE")
    until(lambda: all(producer.backend.get_state(one) in states for one in [*tasks, "batch"]), fleet.said)
    until(lambda: all(fleet.ends(one) for one in [*tasks, "batch"]) and "dead letters" in json.dumps(fleet.lines))
    return fleet


def test_every_line_of_a_task_names_it_and_its_requests(worked: Fleet) -> None:
    requests = [line for line in worked.lines if "route" in line and line["route"] != "/health"]
    assert len(requests) == len(FINE) + 1 + 3 + 2 + REPORTS
    asked = worked.asked
    for line in requests:
        batch = asked[line["request_id"]] == "usage"
        assert line["task_id"] == ("batch" if batch else asked[line["request_id"]])
        assert line["task_name"] == (BATCH if batch else GET)

    for task_id, attempts in [*((one, 1) for one in FINE), ("gone", 1), ("tired", 3), ("cut", 2)]:
        ends = worked.ends(task_id)
        assert [asked[line["request_id"]] for line in ends] == [task_id] * attempts
        assert len({line["request_id"] for line in ends}) == attempts
        assert {(line["task_id"], line["task_name"]) for line in ends} == {(task_id, GET)}

        # A child may write down its retry after another has done it.
        assert [one["event"].endswith("s: …") for one in ends].count(True) == (task_id != "gone")

    # Its requests were the threads' own: none of them, and none of another task's, is the batch's latest.
    [end] = worked.ends("batch")
    assert (end["task_id"], end.get("request_id")) == ("batch", None)

    assert (end["level"], "succeeded" in end["event"]) == ("warning", False)
    assert "but 1 of its items failed" in end["event"]
    [warning] = [line for line in worked.lines if "1 usage report failed" in line["event"]]
    assert (warning["level"], warning["task_id"]) == ("warning", "batch")
    assert "mgw dead list" in warning["event"]
    [gone] = worked.ends("gone")
    assert gone["event"].startswith(f"Task {GET}[gone] failed: Refused: registry.get_session: ")
    assert "exception" not in gone

    named = [line for line in worked.lines if "[" in line["event"] and line["event"].startswith("Task ")]
    assert all(f"{line['task_name']}[{line['task_id']}]" in line["event"] for line in named)
    [letter] = [line for line in named if "is among the dead letters" in line["event"]]
    assert (letter["task_id"], asked[letter["request_id"]]) == ("gone", "gone")
    assert "mgw dead show gone" in letter["event"]

    others = [line for line in worked.lines if line not in [*named, warning] and "route" not in line]
    assert others
    assert [line for line in others if "task_id" in line or "request_id" in line] == []


def test_an_outage_of_redis_is_said_once_about_held_queues(fleet: Fleet, broker: Broker, until: Any) -> None:
    def said(text: str) -> int:
        return sum(text in line["event"] for line in fleet.lines)

    connected = said("Connected to redis")
    broker.stop()
    until(lambda: said("Queues stay held or free as they are until Redis works again"))
    tried = said("Cannot connect to redis")
    until(lambda: said("Cannot connect to redis") >= tried + 2)  # it has looked at its queues several times since
    assert said("Queues stay held or free as they are until Redis works again") == 1, fleet.said()
    broker.start()
    until(lambda: said("Connected to redis") > connected)
