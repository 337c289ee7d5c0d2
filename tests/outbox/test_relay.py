"""`mgw outbox` as a real process: it sends each row under its id, whatever ends it, and whatever is away."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers import outbox
from memory_graph_workers.tasks.registry import register_session
from outbox.conftest import Database, Relay, sent
from support.broker import Broker
from support.waiting import LONGEST_SECS, SOON_SECS, until

Begin = Callable[..., Relay]


def test_it_sends_what_comes_under_the_rows_ids(database: Database, broker: Broker, relay: Begin) -> None:
    relay()
    ids = database.write(3)
    until(lambda: not database.count())
    ids += database.write(1200)
    until(lambda: not database.count())
    assert sent(broker) == dict.fromkeys(ids, 1)


def test_a_row_is_sent_as_delay_sends_it(database: Database, broker: Broker, relay: Begin) -> None:
    with database.engine.begin() as connection:
        task_id = outbox.send(connection, register_session, session_id="s-1", model_id="gpt-4", tags=["a"])
    stored = json.loads(database.rows()[0].parameters)
    assert relay("--once").wait(LONGEST_SECS) == 0
    envelope: Any = json.loads(broker.redis.lindex("memory_graph.registry", 0))
    assert envelope["headers"]["id"] == task_id
    assert json.loads(__import__("base64").b64decode(envelope["body"]))[1] == stored


def test_rows_of_several_tasks_keep_their_order_by_task(database: Database, broker: Broker, relay: Begin) -> None:
    ids = database.write(50)
    assert relay("--once").wait(LONGEST_SECS) == 0
    found: list[Any] = broker.redis.lrange("memory_graph.registry", 0, -1)
    assert [json.loads(item)["headers"]["id"] for item in reversed(found)] == ids


def test_nothing_is_sent_before_the_commit_and_nothing_after_a_rollback(
    database: Database, broker: Broker, relay: Begin
) -> None:
    relay()
    with database.engine.connect() as connection:
        outbox.send(connection, register_session, session_id="never", model_id="gpt-4")
        connection.rollback()
    if database.engine.dialect.name == "postgresql":  # SQLite has one writer: the relay could not delete meanwhile
        with database.engine.begin() as connection:
            late = outbox.send(connection, register_session, session_id="late", model_id="gpt-4")
            ids = database.write(2)
            until(lambda: set(ids) <= set(sent(broker)))
            assert late not in sent(broker)
        ids.append(late)
    else:
        ids = database.write(2)
    until(lambda: not database.count())
    assert sent(broker) == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("step", ["reading", "sending", "deleting"])
def test_killed_at_each_step_nothing_is_lost(database: Database, broker: Broker, relay: Begin, step: str) -> None:
    ids = database.write(700)
    for _ in range(2):
        if step == "sending":
            broker.process.send_signal(signal.SIGSTOP)
            one = relay()
            one.kill_when(lambda one=one: one.says("Sending what comes") and is_sending(broker))
            broker.process.send_signal(signal.SIGCONT)
        else:
            with database.holding(step):
                one = relay()
                enough = 500 if step == "deleting" else 0
                one.kill_when(lambda one=one, enough=enough: one.says("Sending what") and len(sent(broker)) >= enough)
        assert set(ids) == {row.id for row in database.rows()}
    relay()
    until(lambda: not database.count())
    found = sent(broker)
    assert set(found) == set(ids)
    assert step != "deleting" or max(found.values()) == 3


def is_sending(broker: Broker) -> bool:
    """Whether somebody has connected to a server that is stopped, and waits for its reply."""
    listed = open("/proc/net/tcp").read().splitlines()[1:]  # noqa: SIM115, PTH123
    port = f":{broker.port:04X}"
    return any(line.split()[1].endswith(port) and line.split()[4].split(":")[1] != "00000000" for line in listed)


def test_killed_at_random_moments_nothing_is_lost(database: Database, broker: Broker, relay: Begin) -> None:
    ids: list[str] = []
    for seed in range(8):
        ids += database.write(600)
        one = relay()
        until(lambda one=one: one.says("Sending what comes"))
        time.sleep(random.Random(seed).uniform(0, 0.4))
        one.kill()
        one.wait(LONGEST_SECS)
    relay()
    until(lambda: not database.count())
    assert set(sent(broker)) == set(ids)


def test_two_relays_send_everything_and_on_postgresql_once(database: Database, broker: Broker, relay: Begin) -> None:
    both = [relay(), relay()]
    ids = [task_id for _ in range(10) for task_id in database.write(400)]
    until(lambda: not database.count())
    assert [one.stop() for one in both] == [0, 0]
    found = sent(broker)
    assert set(found) == set(ids)
    if database.engine.dialect.name == "postgresql":
        assert set(found.values()) == {1}


def test_it_goes_on_after_the_broker_was_away_and_says_so_once(
    database: Database, broker: Broker, relay: Begin
) -> None:
    one = relay()
    first = database.write(2)
    until(lambda: not database.count())
    broker.stop()
    ids = first + database.write(5)
    until(lambda: one.says("the broker does not take tasks"))
    time.sleep(3)
    broker.start()
    until(lambda: not database.count(), one.err.read_text)
    assert set(sent(broker)) == set(ids)
    assert one.err.read_text().count("the broker does not take tasks") == 1
    assert one.says("The outbox is sent again")


def test_a_broker_that_is_away_fails_a_single_run(database: Database, broker: Broker, relay: Begin) -> None:
    database.write(2)
    one = relay("--once", "--json", REDIS_URL="redis://127.0.0.1:1/0")
    assert one.wait(LONGEST_SECS) == 1
    told = json.loads(one.out.read_text())
    assert (told["sent"], told["dead_letters"], told["waiting"]) == (0, 0, 2)
    assert one.says("The rows stay: run it again")
    assert "Traceback" not in one.err.read_text()


def test_a_single_run_tells_what_it_did(database: Database, broker: Broker, relay: Begin) -> None:
    database.write(1100)
    one = relay("--once", "--json")
    assert one.wait(LONGEST_SECS) == 0
    assert json.loads(one.out.read_text()) == {"sent": 1100, "dead_letters": 0, "waiting": 0, "oldest_at": None}
    assert len(sent(broker)) == 1100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["idle", "away"])
def test_a_signal_ends_it_in_seconds(
    database: Database, broker: Broker, relay: Begin, number: signal.Signals, when: str
) -> None:
    one = relay(**({"OUTBOX_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/none"} if when == "away" else {}))
    until(lambda: one.says("database does not answer" if when == "away" else "Sending what comes"))
    since = time.monotonic()
    one.send_signal(number)
    assert one.wait(LONGEST_SECS) == (130 if number == signal.SIGINT else 0)
    assert time.monotonic() - since < SOON_SECS
    assert not one.says("secret")


def test_a_missing_table_says_how_to_create_it(database: Database, broker: Broker, relay: Begin) -> None:
    outbox.table.outbox_table().drop(database.engine)
    for arguments in ([], ["--once"]):
        one = relay(*arguments)
        assert one.wait(LONGEST_SECS) == 1
        assert one.says("outbox.create(engine)")
        assert "Traceback" not in one.err.read_text()


def test_it_is_quiet_while_idle(database: Database, broker: Broker, relay: Begin) -> None:
    one = relay()
    until(lambda: one.says("Sending what comes"))
    time.sleep(3)
    before = cpu_ticks(one.pid)
    time.sleep(5)
    assert cpu_ticks(one.pid) - before <= 25  # a quarter of a second in five


def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


def test_wrong_settings_are_refused(database: Database, broker: Broker, relay: Begin) -> None:
    for url in ("", "mysql://u:secret@h/d"):
        one = relay(OUTBOX_DATABASE_URL=url)
        assert one.wait(LONGEST_SECS) == 2
        assert one.says("OUTBOX_DATABASE_URL")
        assert not one.says("secret")


def test_large_rows_are_read_in_parts(database: Database, broker: Broker, relay: Begin) -> None:
    with database.engine.begin() as connection:
        ids = [
            outbox.send(
                connection, register_session, session_id=f"s-{n}", model_id="m", metadata={"t": "x" * 9 * 2**20}
            )
            for n in range(4)
        ]
    one = relay("--once")
    assert one.wait(LONGEST_SECS) == 0, one.err.read_text()
    assert sent(broker) == dict.fromkeys(ids, 1)
    assert os.path.exists(one.out)
