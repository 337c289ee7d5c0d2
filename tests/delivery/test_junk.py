"""A worker among messages that plain Celery drops, logs whole, or dies of."""

import base64
import json
import pickle
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

CANARY = "canary-7f3a the patient said"


def envelope(content: Any, headers: Any = None, **changes: Any) -> bytes:
    """A message as kombu writes it; `changes` replace whole parts."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    whole = {
        "body": base64.b64encode(text).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "work"},
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    return json.dumps({**whole, **changes}).encode()


def task(name: Any = "good", body: Any = None, **headers: Any) -> bytes:
    body = [[CANARY], {}, {}] if body is None else body
    return envelope(body, {"task": name, "id": str(uuid4()), "lang": "py", **headers})


JUNK = {
    "random bytes": (b"\x00\xff\xfe" + CANARY.encode(), "broken_envelope"),
    "not json": (b"not json " + CANARY.encode(), "broken_envelope"),
    "a list": (b"[]", "broken_envelope"),
    "an object": (b"{}", "broken_envelope"),
    "nesting": (b"[" * 100_000 + b"]" * 100_000, "broken_envelope"),
    "no tag": (envelope([], {}, properties={"delivery_info": {}}), "broken_envelope"),
    "headers that are a list": (envelope([[CANARY], {}, {}], [CANARY]), "broken_envelope"),
    "body not base64": (envelope([], {"task": "good", "id": "b64"}, body=CANARY + "!"), "broken_envelope"),
    "body encoding unknown": (
        envelope([], {}, properties={"delivery_tag": "t", "delivery_info": {}, "body_encoding": [CANARY]}),
        "broken_envelope",
    ),
    "pickle": (
        envelope(
            pickle.dumps([[CANARY], {}, {}]),
            {"task": "good", "id": "pickled"},
            **{"content-type": "application/x-python-serialize", "content-encoding": "binary"},
        ),
        "undecodable",
    ),
    "body not json": (envelope(CANARY.encode(), {"task": "good", "id": "nojson"}), "undecodable"),
    "body of no known type": (
        envelope(CANARY.encode(), {"task": "good", "id": "odd-type"}, **{"content-type": "text/canary"}),
        "undecodable",
    ),
    "body not utf-8": (envelope(b"\xff\xfe" + CANARY.encode(), {"task": "good", "id": "noutf"}), "undecodable"),
    "compression that is none": (
        envelope([[CANARY], {}, {}], {"task": "good", "id": "squeezed", "compression": "zlib"}),
        "undecodable",
    ),
    "a number": (envelope(5, {"task": "good", "id": "five"}), "invalid_message"),
    "no headers": (envelope([[CANARY], {}, {}], None), "invalid_message"),
    "no id": (envelope([[CANARY], {}, {}], {"task": "good"}), "invalid_message"),
    "an id that is a text": (task(id=CANARY), "invalid_message"),
    "a name that is a list": (task(name=[CANARY]), "invalid_message"),
    "an odd eta": (task(eta=CANARY), "invalid_message"),
    "an eta at the end of time": (task(eta="9999-12-31T23:59:59+00:00"), "invalid_message"),
    "an odd expiry": (task(expires={"at": CANARY}), "invalid_message"),
    "odd limits": (task(timelimit=[CANARY, True]), "invalid_message"),
    "odd retries": (task(retries=CANARY), "invalid_message"),
    "a body that is no call": (task(body={"not": CANARY}), "invalid_message"),
    "arguments that are no list": (task(body=[CANARY, {}, {}]), "invalid_message"),
    "keywords that are a list": (task(body=[[], [CANARY], {}]), "invalid_message"),
    "a chain of nonsense": (task(body=[[], {}, {"chain": CANARY}]), "invalid_message"),
    "nested arguments": (task(body=b"[" * 500 + b"]" * 500), "invalid_message"),
    "unknown task": (task(name="nobody.knows"), "unknown_task"),
    "unknown task, protocol 1": (
        envelope({"task": "nobody.knows", "id": "old", "args": [CANARY], "kwargs": {}}),
        "unknown_task",
    ),
    "misspelt keyword": (task(body=[[], {CANARY: 1}, {}]), "failed"),
    "kills its child": (task("kills_its_child"), "lost_worker"),
    "hangs": (task("hangs"), "hard_time_limit"),
    "quotes what it got": (task("quotes", argsrepr=f"({CANARY},)", kwargsrepr=CANARY), "failed"),
    "refused by a service": (task("refused", shadow=CANARY), "failed"),
    "invalid payload": (task("checks"), "invalid_payload"),
    "out of attempts": (task("times_out"), "attempts_exhausted"),
    "perhaps done": (task("doubts"), "uncertain"),
    "expired": (task(expires="2001-01-01T00:00:00+00:00"), "expired"),
}


@pytest.fixture
def sent(broker: Any, producer: Celery) -> list[str]:
    """Every kind of junk, each after a good task, and broadcasts that are junk."""
    for number, (item, _) in enumerate(JUNK.values()):
        producer.send_task("good", (number,))
        broker.redis.lpush("work", item)
    broker.redis.lpush("work", envelope({"task": "good", "id": "protocol-1", "args": [500], "kwargs": {}}))
    broker.redis.lpush("work", task("probe", body=[[], {}, {}], expires="2001-01-01T00:00:00+00:00"))
    producer.send_task("answers", (CANARY,), ignore_result=True)
    return list(JUNK)


def test_sets_all_junk_aside_and_goes_on(
    sent: list[str], broker: Any, producer: Celery, start_worker: Any, until: Any, events: Any
) -> None:
    worker = start_worker(level="DEBUG")
    broker.redis.publish("/0.celery.pidbox", CANARY)
    broker.redis.publish("/0.celery.pidbox", json.dumps({"body": CANARY}))
    until(lambda: broker.dead.count() >= len(JUNK) or not worker.is_alive)
    producer.send_task("good", (1000,))
    until(lambda: b"1000" in broker.redis.lrange("done", 0, -1))
    assert worker.is_alive
    assert sorted(map(int, broker.redis.lrange("done", 0, -1))) == [*range(len(JUNK)), 500, 1000]
    assert sorted(letter.reason for letter in broker.dead.list(100)) == sorted(reason for _, reason in JUNK.values())
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert broker.redis.llen("killed") == 3
    assert "canary" not in worker.text
    assert "canary" not in json.dumps(events.stop(), default=repr)
    assert not any(CANARY.encode() in broker.redis.get(key) for key in broker.redis.keys("celery-task-meta-*"))


def test_commands_that_name_no_queue_end_no_worker(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker()
    wrong: list[Any] = [5, None, [], {"a": 1}, "", "two words", True]
    for command, arguments in [
        *(("add_consumer", {"queue": queue}) for queue in wrong),
        *(("cancel_consumer", {"queue": queue}) for queue in wrong),
        ("add_consumer", {"queue": "more", "exchange": 5}),
        ("add_consumer", {"queue": "more", "no_such_option": 5}),
        ("add_consumer", {}),
        ("cancel_consumer", {"queue": "not-consumed"}),
    ]:
        producer.control.broadcast(command, arguments=arguments)
    producer.control.broadcast("add_consumer", arguments={"queue": "extra"})
    producer.send_task("good", (1,), queue="extra")
    until(lambda: broker.redis.lrange("done", 0, -1) == [b"1"] or not worker.is_alive)
    assert worker.is_alive
