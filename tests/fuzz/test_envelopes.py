"""Celery messages as a foreign producer may push them to a queue's list."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.delivery.messages.envelope import Malformed, check_arguments, check_task, read_envelope
from support.broker import Broker
from support.broker import broker as broker
from support.broker import producer as producer
from support.fuzzing import JSON, examples, nested, objects
from support.lean import MOST_MIB, Peak
from support.waiting import until
from support.worker import Worker, ready_worker

TASK = {"task": "good", "id": "i-1", "lang": "py", "retries": 0,
        "eta": None, "expires": None, "timelimit": [None, None],
        "root_id": None, "parent_id": None, "group": None, "argsrepr": "", "kwargsrepr": "", "ignore_result": True,
        "stamped_headers": None, "stamps": {}, "origin": "x", "shadow": None, "compression": None,
        "group_index": None, "replaced_task_nesting": 0}  # fmt: skip
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
PROPERTIES = {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "work"}, "body_encoding": "base64",
              "priority": 0, "reply_to": None, "correlation_id": "c", "delivery_mode": 2}  # fmt: skip
BODIES = st.one_of(
    JSON,
    st.tuples(st.just([1]) | JSON, st.just({}) | JSON, st.just({}) | objects(EMBED) | JSON).map(list),
    objects({"task": "good", "id": "i-2", "args": [1], "kwargs": {}, "eta": None, "retries": 0}),
)


@st.composite
def items(draw: st.DrawFn) -> bytes:
    body = base64.b64encode(json.dumps(draw(BODIES)).encode()).decode()
    whole = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": draw(objects(TASK) | st.just(TASK)),
        "properties": draw(objects(PROPERTIES) | st.just(PROPERTIES)),
    }
    changed = draw(objects(whole) | st.just(whole))
    return json.dumps(changed).encode()


@given(item=items() | st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(item=b"[" * 100_000)
@example(item=b'{"properties": {"delivery_tag": NaN}}')
@example(item=b"1" * 5000)
@examples(300)
def test_an_item_is_an_envelope_or_malformed(item: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(read_envelope(item)["properties"]["delivery_info"], dict)


@given(body=BODIES, fields=objects(TASK))
@example(body=[[], {}, None], fields={**TASK, "retries": []})
@examples(300)
def test_a_call_is_checked_or_malformed(body: Any, fields: dict[str, Any]) -> None:
    with suppress(Malformed):
        check_arguments(body)
        check_task(fields)


@pytest.fixture
def worker(broker: Broker, tmp_path: Path) -> Iterator[Worker]:
    with ready_worker(broker, tmp_path / "worker.log") as worker:
        yield worker


def test_a_worker_takes_or_sets_aside_whatever_is_on_its_queue(
    broker: Broker, producer: Celery, worker: Worker
) -> None:

    @given(sent=st.lists(items() | st.binary(max_size=30), min_size=1, max_size=20))
    @example(sent=[json.dumps({"body": base64.b64encode(json.dumps(nested(99)).encode()).decode()}).encode()])
    @examples(12)
    def drained(sent: list[bytes]) -> None:
        mark = str(uuid4())
        for item in sent:
            broker.redis.lpush("work", item)
        producer.send_task("answers", (mark,), task_id=mark, ignore_result=True)
        until(lambda: not broker.redis.exists("work") or not worker.is_alive)
        assert worker.is_alive

    peak = Peak(worker.process.pid)
    drained()
    producer.send_task("good", (12_345,))
    until(lambda: b"12345" in broker.redis.lrange("done", 0, -1) or not worker.is_alive)
    assert worker.is_alive
    assert peak.mib_above() < MOST_MIB
    assert "Unrecoverable" not in worker.text
    unexpected = {letter.error for letter in broker.dead.list(1000) if letter.reason == "invalid_message"}
    assert unexpected <= {"Malformed", None}
