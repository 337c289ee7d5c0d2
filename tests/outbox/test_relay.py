"""`mgw outbox` as a real process: it sends each row under its id, whatever ends it, and whatever is away."""

import base64
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers import outbox
from memory_graph_workers.cli.stack.ports import free_port, http_status
from memory_graph_workers.outbox.metrics import BURIED, OLDEST, READABLE, SENT, WAITING, RelayMetrics
from memory_graph_workers.outbox.rows import Backlog
from memory_graph_workers.outbox.running import Totals, shown
from memory_graph_workers.tasks.registry import register_session
from prometheus_client import generate_latest
from support.broker import Broker
from support.outbox import Database, Relay, sent
from support.promtool import promtool as promtool
from support.scraping import parsed, scrape
from support.waiting import LONGEST_SECS, SOON_SECS, until

Begin = Callable[..., Relay]


def test_it_sends_what_comes_under_the_rows_ids(database: Database, broker: Broker, relay: Begin) -> None:
    relay()
    ids = database.write(3)
    until(lambda: not database.count())
    ids += database.write(520)  # more than a batch
    until(lambda: not database.count())
    assert sent(broker) == dict.fromkeys(ids, 1)


def test_a_row_is_sent_as_delay_sends_it(database: Database, broker: Broker, relay: Begin) -> None:
    with database.engine.begin() as connection:
        task_id = outbox.send(connection, register_session, session_id="s-1", model_id="gpt-4", tags=["a"])
    stored = json.loads(database.rows()[0].parameters)
    assert relay("--once").wait(LONGEST_SECS) == 0
    envelope: Any = json.loads(broker.redis.lindex("memory_graph.registry", 0))
    assert envelope["headers"]["id"] == task_id
    assert json.loads(base64.b64decode(envelope["body"]))[1] == stored


def test_rows_are_sent_in_the_order_of_their_ids(database: Database, broker: Broker, relay: Begin) -> None:
    ids = database.write(520)
    assert relay("--once").wait(LONGEST_SECS) == 0
    found: list[Any] = broker.redis.lrange("memory_graph.registry", 0, -1)
    assert [json.loads(item)["headers"]["id"] for item in reversed(found)] == sorted(ids)


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
    ids = database.write(520)
    for number in (1, 2):
        with stopped(broker) if step == "sending" else database.holding(step):
            before = connected(broker)
            one = relay()
            holds = {
                "reading": lambda one=one: one.says("Sending what comes"),
                "sending": lambda before=before: connected(broker) > before,
                "deleting": lambda number=number: sent(broker).total() == 500 * number,
            }
            one.kill_when(holds[step])
        assert set(ids) == {row.id for row in database.rows()}
    relay()
    until(lambda: not database.count())
    found = sent(broker)
    assert set(found) == set(ids)
    assert max(found.values()) <= (3 if step == "deleting" else 2)


@contextmanager
def stopped(broker: Broker) -> Iterator[None]:
    """A broker that takes connections, and does not answer."""
    broker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.process.send_signal(signal.SIGCONT)


def connected(broker: Broker) -> int:
    """How many connections its server has."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{broker.port:04X}") and line[3] == "01" for line in lines)


def test_killed_at_random_moments_nothing_is_lost(database: Database, broker: Broker, relay: Begin) -> None:
    ids: list[str] = []
    for seed in range(4):
        ids += database.write(300)
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
    ids = [task_id for _ in range(10) for task_id in database.write(200)]
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


def test_a_broker_that_is_away_when_it_starts_keeps_rows_waiting_and_its_metrics_say_so(
    database: Database, broker: Broker, relay: Begin
) -> None:
    port = free_port()
    broker.stop()
    try:
        ids = database.write(3)
        one = relay("--metrics-port", str(port))
        until(lambda: one.says("the broker does not take tasks"), one.err.read_text)
        told = scrape(port)
        assert told[(OLDEST,)] > 0
        assert [told[(name,)] for name in (READABLE, WAITING, SENT, BURIED)] == [1, 3, 0, 0]
        assert http_status(port, "/healthz") == 200
    finally:
        broker.start()
    until(lambda: not database.count(), one.err.read_text)
    until(lambda: scrape(port)[(SENT,)] == 3)
    assert (scrape(port)[(WAITING,)], scrape(port)[(OLDEST,)]) == (0, 0)
    assert sent(broker) == dict.fromkeys(ids, 1)
    assert one.stop() == 0


def test_metrics_that_nobody_could_ask_for_are_refused(database: Database, broker: Broker, relay: Begin) -> None:
    taken = str(broker.port)
    for arguments, says in ((["--once", "--metrics-port", taken], "contradict"), (["--metrics-port", taken], "listen")):
        one = relay(*arguments)
        assert one.wait(LONGEST_SECS) == 2
        assert one.says(says)


def test_an_outbox_that_cannot_be_read_is_told_as_that(promtool: Callable[[str], str], tmp_path: Path) -> None:
    metrics = RelayMetrics(f"sqlite:///{tmp_path}/no/folder/app.db", Totals(sent=2, buried=1))
    text = generate_latest(metrics.registry).decode()
    assert parsed(text) == {(READABLE,): 0, (SENT,): 2, (BURIED,): 1}
    assert not metrics.can_read()
    assert promtool(text) == ""


def test_a_row_of_a_clock_that_is_ahead_waits_for_no_time() -> None:
    ahead = Backlog(1, datetime.now(UTC) + timedelta(hours=1))
    assert (ahead.oldest_secs, shown(ahead)) == (0, "1 wait, the oldest for 0 s")


def test_a_relay_that_is_stopped_in_a_batch_finishes_it_and_begins_no_other(
    database: Database, broker: Broker, relay: Begin
) -> None:
    database.write(510)
    with database.holding("deleting"):
        one = relay()
        until(lambda: sent(broker).total() == 500, one.err.read_text)
        one.terminate()
    assert one.wait(LONGEST_SECS) == 0
    rows = {row.id for row in database.rows()}
    assert (len(rows), sent(broker).total()) == (10, 500)
    assert rows.isdisjoint(sent(broker))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_table_in_another_schema_is_found_by_the_search_path(
    database: Database, broker: Broker, relay: Begin
) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA app")
        connection.exec_driver_sql("ALTER TABLE memory_graph_outbox SET SCHEMA app")
        connection.exec_driver_sql(f"ALTER DATABASE {database.name} SET search_path = app")
    ids = database.write(2)
    assert relay("--once").wait(LONGEST_SECS) == 0
    assert sent(broker) == dict.fromkeys(ids, 1)


def test_a_broker_that_is_away_fails_a_single_run(database: Database, broker: Broker, relay: Begin) -> None:
    database.write(2)
    one = relay("--once", "--json", REDIS_URL="redis://127.0.0.1:1/0")
    assert one.wait(LONGEST_SECS) == 1
    told = json.loads(one.out.read_text())
    assert (told["sent"], told["dead_letters"], told["waiting"]) == (0, 0, 2)
    assert datetime.now(UTC) - datetime.fromisoformat(told["oldest_at"]) < timedelta(minutes=5)
    assert told["oldest_at"].endswith("Z")
    assert one.says("The rows stay: run it again")
    assert "Traceback" not in one.err.read_text()


def test_a_single_run_tells_what_it_did(database: Database, broker: Broker, relay: Begin) -> None:
    database.write(520)
    one = relay("--once", "--json")
    assert one.wait(LONGEST_SECS) == 0
    assert json.loads(one.out.read_text()) == {"sent": 520, "dead_letters": 0, "waiting": 0, "oldest_at": None}
    assert len(sent(broker)) == 520


@pytest.mark.parametrize(
    ("database", "when", "number"),
    [
        ("sqlite", "idle", signal.SIGTERM),
        ("sqlite", "idle", signal.SIGINT),
        ("postgresql", "away", signal.SIGTERM),
        ("postgresql", "hung", signal.SIGTERM),
        ("sqlite", "hung", signal.SIGINT),
    ],
    indirect=["database"],
)
def test_a_signal_ends_it_in_seconds(
    database: Database, broker: Broker, relay: Begin, when: str, number: signal.Signals
) -> None:
    if when == "hung":  # the broker takes the connection, and does not answer
        database.write()
    nowhere = {"OUTBOX_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/none"} if when == "away" else {}
    with stopped(broker) if when == "hung" else nullcontext():
        before = connected(broker)
        one = relay(**nowhere)
        until(lambda: one.says("Sending what comes" if when != "away" else "database does not answer"))
        until(lambda: when != "hung" or connected(broker) > before)
        since = time.monotonic()
        one.send_signal(number)
        assert one.wait(LONGEST_SECS) == (130 if number == signal.SIGINT else 0)
    assert time.monotonic() - since < SOON_SECS * (3 if when == "hung" else 1)  # 5 s until a broker counts as away
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
    time.sleep(2)
    before = cpu_ticks(one.pid)
    time.sleep(3)
    assert cpu_ticks(one.pid) - before <= 15  # a twentieth of the time


def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
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
            for n in range(2)
        ]
    one = relay("--once")
    assert one.wait(LONGEST_SECS) == 0, one.err.read_text()
    assert sent(broker) == dict.fromkeys(ids, 1)
