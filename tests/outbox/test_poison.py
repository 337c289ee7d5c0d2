"""Rows that cannot be sent become dead letters, and hold up no row behind them."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.delivery import DeadLetters, Reason
from memory_graph_workers.outbox.rows import Backlog, backlog_of
from support.broker import Broker
from support.forked import mgw
from support.our_app import KEYS
from support.outbox import Database, Relay, sent
from support.waiting import LONGEST_SECS

Begin = Callable[..., Relay]
USAGE = {"report": {"session_id": "s-1", "prompt_tokens": 1, "completion_tokens": 2}}
POISON = {
    "0-unknown": ("memory_graph.registry.no_such_task", json.dumps({"a": 1}), Reason.UNKNOWN_TASK),
    "0-foreign": ("celery.ping", "{}", Reason.UNKNOWN_TASK),
    "0-field": (
        "memory_graph.registry.track_usage",
        json.dumps({"report": {**USAGE["report"], "prompt_tokens": -1}}),
        Reason.INVALID_PAYLOAD,
    ),
    "0-parameter": ("memory_graph.registry.get_session", json.dumps({"session": "s"}), Reason.INVALID_PAYLOAD),
    "0-large": (
        "memory_graph.registry.register_session",
        json.dumps({"registration": {"session_id": "s", "model_id": "m", "metadata": {"t": "x" * 2**20}}}),
        Reason.INVALID_PAYLOAD,
    ),
    "0-list": ("memory_graph.registry.track_usage", "[1]", Reason.INVALID_MESSAGE),
    "0-text": ("memory_graph.registry.track_usage", "no JSON", Reason.INVALID_MESSAGE),
    "0-digits": ("memory_graph.registry.track_usage", '{"a": ' + "9" * 5000 + "}", Reason.INVALID_MESSAGE),
    "0-nan": (
        "memory_graph.registry.track_usage",
        '{"report": {"session_id": "s", "prompt_tokens": NaN, "completion_tokens": 1e999}}',
        Reason.INVALID_PAYLOAD,
    ),
    "0-surrogate": (
        "memory_graph.registry.get_session",
        '{"session_id": "\\ud800"}',
        Reason.INVALID_PAYLOAD,
    ),
    "0-deep": ("memory_graph.registry.track_usage", "[" * 100_000, Reason.INVALID_MESSAGE),
    "0 spaces": ("memory_graph.registry.track_usage", json.dumps(USAGE), Reason.INVALID_MESSAGE),
    "1 spaces": ("memory_graph.registry.track_usage", json.dumps(USAGE), Reason.INVALID_MESSAGE),
}


def test_every_such_row_is_a_dead_letter_and_the_others_are_sent(
    database: Database, broker: Broker, dead: DeadLetters, relay: Begin
) -> None:
    for row_id, (task, parameters, _) in POISON.items():
        database.put(row_id, task, parameters)
    ids = database.write(20)
    one = relay("--once", "--json", MESSAGE_MAX_BYTES=str(2**20))
    assert one.wait(LONGEST_SECS) == 0, one.err.read_text()
    assert json.loads(one.out.read_text())["dead_letters"] == len(POISON)
    assert database.count() == 0
    assert sent(broker) == dict.fromkeys(ids, 1)
    found = {letter.id: letter.reason for letter in dead.all()}
    by_bytes = found.keys() - POISON.keys()
    assert found == {
        **{name: reason for name, (_, _, reason) in POISON.items() if " " not in name},
        **dict.fromkeys(by_bytes, Reason.INVALID_MESSAGE),
    }
    assert len(by_bytes) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bytes_that_sqlite_takes_for_text_hold_up_no_row(
    database: Database, broker: Broker, dead: DeadLetters, relay: Begin
) -> None:
    texts = ["x'ff'", "CAST(x'30ff' AS TEXT)", "CAST(x'3000' AS TEXT)"]
    with database.engine.begin() as connection:
        for text in texts:
            for row_id, task in ((text, "'t'"), (f"'id-' || hex({text})", text)):
                connection.exec_driver_sql(
                    f"INSERT INTO memory_graph_outbox (id, task, parameters, created_at) "
                    f"VALUES ({row_id}, {task}, {text}, {text})"
                )
    ids = database.write(3)
    one = relay("--once", "--json")
    assert one.wait(LONGEST_SECS) == 0, one.err.read_text()
    assert json.loads(one.out.read_text()) == {"sent": 3, "dead_letters": 6, "waiting": 0, "oldest_at": None}
    assert sent(broker) == dict.fromkeys(ids, 1)
    assert {letter.reason for letter in dead.all()} == {Reason.INVALID_MESSAGE}


def test_a_letter_says_what_is_wrong_and_quotes_nothing(database: Database, dead: DeadLetters, relay: Begin) -> None:
    database.put(
        "1", "memory_graph.registry.track_usage", json.dumps({"report": {"session_id": "secret", "tokens": 1}})
    )
    database.put("2", "memory_graph.registry.get_session", json.dumps({"session": "secret"}))
    one = relay("--once")
    assert one.wait(LONGEST_SECS) == 0
    letters = {letter.id: letter for letter in dead.all()}
    assert (letters["1"].queue, letters["1"].error) == ("memory_graph.registry", "ValidationError")
    assert {"prompt_tokens", "tokens"} <= set(letters["1"].fields or {})
    assert letters["2"].fields == {"parameters": ["Must be those of (session_id)."]}
    assert "secret" not in f"{letters['1'].message}{letters['1'].fields}{letters['2'].message}{one.err.read_text()}"


def test_letters_are_replayed_after_a_fix(
    database: Database, broker: Broker, dead: DeadLetters, relay: Begin, tmp_path: Any
) -> None:
    database.put("wrong", "memory_graph.registry.track_usage", json.dumps({"report": {"session_id": "s"}}))
    assert relay("--once").wait(LONGEST_SECS) == 0
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps(USAGE))
    environ = {"PATH": os.environ["PATH"], "REDIS_URL": broker.url}
    told = mgw("dead", "replay", "wrong", "--corrected", str(corrected), "--yes", environ=environ)
    assert told.returncode == 0, told.stderr
    assert sent(broker).total() == 1
    assert not dead.count()


def test_a_task_that_a_later_release_has_is_replayed_under_the_rows_id(
    database: Database, broker: Broker, dead: DeadLetters, relay: Begin
) -> None:
    database.put("early", "memory_graph.registry.track_usages", json.dumps(USAGE))
    assert relay("--once").wait(LONGEST_SECS) == 0
    environ = {"PATH": os.environ["PATH"], "REDIS_URL": broker.url}
    refused = mgw("dead", "replay", "early", "--yes", environ=environ)
    assert "Deploy the release that has it" in refused.stdout
    assert dead.has("early")
    key: Any = KEYS.failures.letters
    text: Any = broker.redis.hget(key, "early")
    broker.redis.hset(key, "early", text.replace(b"track_usages", b"track_usage"))
    replayed = mgw("dead", "replay", "early", "--yes", environ=environ)
    assert replayed.returncode == 0, replayed.stdout
    assert sent(broker) == {"early": 1}


LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("database", "age", "oldest_at"),
    [
        ("sqlite", "2015-01-01 00:00:00", LONG_AGO),
        ("sqlite", "2015-01-01T00:00:00Z", LONG_AGO),
        ("sqlite", "yesterday", None),
        ("postgresql", "2015-01-01 03:00:00+03", LONG_AGO),
        ("postgresql", "-infinity", None),
    ],
    indirect=["database"],
)
def test_a_row_of_any_age_is_counted_and_sent(
    database: Database, broker: Broker, relay: Begin, age: str, oldest_at: datetime | None
) -> None:
    report = {**USAGE["report"], "timestamp": "2015-01-01T00:00:00Z"}
    database.put("old", "memory_graph.registry.track_usage", json.dumps({"report": report}))
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE memory_graph_outbox SET created_at = '{age}'")
    assert backlog_of(database.engine) == Backlog(1, oldest_at)
    assert relay("--once").wait(LONGEST_SECS) == 0
    assert sent(broker) == {"old": 1}


def test_while_the_broker_is_away_poison_stays(database: Database, relay: Begin) -> None:
    database.put("wrong", "memory_graph.registry.no_such_task", "{}")
    one = relay("--once", REDIS_URL="redis://127.0.0.1:1/0")
    assert one.wait(LONGEST_SECS) == 1
    assert database.count() == 1
