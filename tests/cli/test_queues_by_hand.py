"""`mgw queues hold`, `release` and `auto`: what an operator of a shop types, and what everybody sees of it."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.delivery import HoldStore, Keys
from memory_graph_workers.delivery.timestamps import format_timestamp
from support.broker import Broker
from support.forked import celery, mgw
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import until

APPS = Path(__file__).parent / "apps"
KEYS = Keys("shop")
HELD = b"-1"


class Operator:
    """Runs mgw in the folder of the shop's app."""

    def __init__(self, broker: Broker) -> None:
        self.redis, self.environ = broker.redis, {**os.environ, "SHOP_URL": broker.url}
        self.holds = HoldStore(broker.redis, KEYS, needs={"payments": ("bank",)})

    def run(self, command: str, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        words = ["queues", "--app", "shop:app", command, *arguments]
        done = mgw(*words, environ=self.environ, cwd=APPS)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def read(self, command: str, *arguments: str) -> Any:
        return json.loads(self.run(command, *arguments, "--json").stdout)

    def row(self, queue: str) -> dict[str, Any]:
        told = mgw("queues", "--app", "shop:app", "--json", environ=self.environ, cwd=APPS)
        return {row["queue"]: row for row in json.loads(told.stdout)["queues"]}[queue]

    def doctor(self) -> dict[str, tuple[str, str, str | None]]:
        told = mgw("doctor", "--app", "shop:app", "--json", environ=self.environ, cwd=APPS)
        return {one["check"]: (one["state"], one["found"], one["fix"]) for one in json.loads(told.stdout)["findings"]}

    def permits(self, queue: str = "payments") -> Any:
        return self.redis.get(KEYS.permits(queue))

    def lets_pass(self, time: timedelta, queue: str = "payments") -> None:
        """Let what was decided about a queue be so old."""
        kept: Any = self.redis.hget(KEYS.by_hand, queue)
        record = {**json.loads(kept), "since": format_timestamp(datetime.now(UTC) - time)}
        self.redis.hset(KEYS.by_hand, queue, json.dumps(record))


@pytest.fixture
def operator(broker: Broker) -> Operator:
    return Operator(broker)


def test_a_hold_counts_when_the_command_returns_and_says_who_and_why(operator: Operator) -> None:
    done = operator.run("hold", "payments", "--reason", "the bank moves", "--by", "alice", "--json")
    told = json.loads(done.stdout)
    assert (operator.permits(), told["changed"]) == (HELD, True)
    since = told["by_hand"].pop("since")
    assert told["by_hand"] == {"is_held": True, "by": "alice", "reason": "the bank moves"}
    assert (told["held_for"], told["why"], told["since"]) == ("a person", "alice: the bank moves", since)
    assert operator.row("payments") == {name: value for name, value in told.items() if name != "changed"} | {
        "by_hand": {**told["by_hand"], "since": since}
    }
    assert operator.row("orders")["by_hand"] is None
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["queue"], line["user"], line["reason"]) == ("payments", "alice", "the bank moves")
    assert line["event"] == "Queue payments is held by alice"


def test_who_runs_the_command_is_named_and_a_table_says_so(operator: Operator) -> None:
    said = operator.run("hold", "payments", "--reason", "x").stdout
    assert "mgw queues --app shop:app release payments" in said
    assert operator.holds.by_hand()["payments"].by == getpass.getuser()
    shown = mgw("queues", "--app", "shop:app", environ=operator.environ, cwd=APPS).stdout
    assert f"{getpass.getuser()}: x" in shown
    operator.run("release", "payments", "--even-if-down", "--reason", "y", "--by", "bob")
    shown = mgw("queues", "--app", "shop:app", environ=operator.environ, cwd=APPS).stdout
    assert "kept free by bob: y" in shown


def test_a_hold_and_a_release_leave_the_services_protection_on(operator: Operator) -> None:
    operator.holds.put("bank", 0, "it is down")
    operator.run("hold", "payments", "--reason", "x")
    told = operator.read("release", "payments")
    assert (told["changed"], told["held_for"], told["by_hand"]) == (True, "bank", None)
    assert operator.permits() == HELD
    operator.holds.release("bank")
    operator.run("hold", "payments", "--reason", "x")
    assert "it is free" in operator.run("release", "payments", "--reason", "the bank has moved").stdout
    assert (operator.permits(), operator.holds.by_hand()) == (None, {})


def test_what_no_person_holds_is_not_released_and_how_to_do_it_is_said(operator: Operator) -> None:
    assert operator.run("release", "payments").stdout == "payments is not held.\n"
    operator.holds.put("bank", 0, "it is down")
    said = operator.run("release", "payments").stdout
    assert "it is held for bank (it is down)" in said
    assert "mgw queues --app shop:app release payments --even-if-down --reason TEXT" in said
    told = operator.read("release", "payments")
    assert (told["changed"], told["held_for"], told["by_hand"]) == (False, "bank", None)
    assert operator.holds.by_hand() == {}


def test_a_queue_is_kept_free_although_its_service_is_down_until_it_is_left_to_its_services(
    operator: Operator,
) -> None:
    operator.holds.put("bank", 0, "it is down")
    assert "say why: --reason" in operator.run("release", "payments", "--even-if-down", code=2).stderr
    operator.redis.set(KEYS.permits("payments"), HELD)  # as the leading worker has written it
    told = operator.read("release", "payments", "--even-if-down", "--reason", "its probe is wrong", "--by", "bob")
    assert (told["held_for"], told["by_hand"]["is_held"], operator.permits()) == (None, False, None)
    said = operator.run("release", "payments").stdout
    assert "kept free already. To leave it to its services: mgw queues --app shop:app auto payments" in said
    assert "it is still held for bank (it is down)" in operator.run("auto", "payments").stdout
    assert (operator.permits(), operator.holds.by_hand()) == (HELD, {})
    assert operator.read("auto", "payments")["changed"] is False


@pytest.mark.parametrize("command", [["hold", "--reason", "x"], ["release"], ["auto"]], ids=lambda words: words[0])
def test_a_queue_that_the_app_does_not_have_is_refused_with_those_that_it_has(
    operator: Operator, command: list[str]
) -> None:
    first, *rest = command
    said = operator.run(first, "\x1b[31mpaymants", *rest, code=2).stderr
    assert "There is no queue \\x1b[31mpaymants. Queues: orders, payments." in said
    assert operator.redis.keys("*") == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "Missing option '--reason'"),
        (["--reason", ""], "--reason must be 1 to 200 characters"),
        (["--reason", "\x1b[2Jgone"], "--reason must be 1 to 200 characters"),
        (["--reason", "x" * 201], "--reason must be 1 to 200 characters"),
        (["--reason", "x", "--by", "root\nalice"], "--by must be 1 to 200 characters"),
    ],
)
def test_words_that_do_not_fit_on_a_line_are_refused(operator: Operator, options: list[str], why: str) -> None:
    assert why in operator.run("hold", "payments", *options, code=2).stderr
    assert operator.redis.keys("*") == []


def test_a_forged_record_moves_no_terminal_and_can_be_replaced(operator: Operator) -> None:
    record = {"is_held": False, "by": "\x1b[31mroot", "reason": "<b>\x07", "since": "2026-01-01T00:00:00Z"}
    operator.redis.hset(KEYS.by_hand, "payments", json.dumps(record))
    shown = mgw("queues", "--app", "shop:app", environ=operator.environ, cwd=APPS).stdout
    assert "\x1b" not in shown
    assert "is broken" in shown
    assert operator.doctor()["held: payments"][0] == "warning"
    operator.run("release", "payments")
    assert operator.holds.by_hand() == {}


def test_a_trial_says_which_queues_take_no_part_in_it(operator: Operator) -> None:
    operator.holds.put("bank", 0, "it is down")
    assert "Not by these" not in operator.run("try", "bank").stdout
    operator.holds.hold_by_hand("payments", "alice", "x")
    assert "about which a person has decided: payments." in operator.run("try", "bank").stdout


def test_the_doctor_warns_of_what_was_decided_more_than_a_day_ago(operator: Operator) -> None:
    operator.run("hold", "payments", "--reason", "x", "--by", "alice")
    operator.run("release", "orders", "--even-if-down", "--reason", "y", "--by", "bob")
    found = operator.doctor()
    assert (found["held: payments"][0], found["kept free: orders"][0]) == ("ok", "ok")
    assert found["held: payments"][1].startswith("by alice since ")
    operator.lets_pass(timedelta(hours=25))
    operator.lets_pass(timedelta(hours=25), "orders")
    found = operator.doctor()
    assert [found[check][0] for check in ("held: payments", "kept free: orders")] == ["warning", "warning"]
    assert "mgw queues --app shop:app release payments" in str(found["held: payments"][2])
    assert "mgw queues --app shop:app auto orders" in str(found["kept free: orders"][2])


def test_what_was_decided_about_a_queue_that_the_app_has_no_more_is_found_and_undone(operator: Operator) -> None:
    operator.holds.hold_by_hand("old queue", "alice", "x")
    state, text, fix = operator.doctor()["held: old queue"]
    assert (state, "this app has no such queue" in text) == ("warning", True)
    assert "release 'old queue'" in str(fix)
    assert operator.read("release", "old queue")["changed"] is True
    assert operator.redis.keys("shop:*") == []


def test_a_key_of_another_kind_is_named_by_the_doctor_and_hides_no_queue(operator: Operator) -> None:
    operator.redis.set(KEYS.by_hand, "no hash")
    assert operator.row("payments")["by_hand"] is None
    state, text, _ = operator.doctor()["types of keys"]
    assert (state, "shop:hold:by_hand is a string, not a hash" in text) == ("failure", True)


@pytest.fixture
def start(operator: Operator, tmp_path: Path) -> Callable[[str], Any]:
    """Starts a worker of the shop, and waits until it is ready."""

    def start(name: str) -> Any:
        log = tmp_path / f"{name}.log"
        options = ["worker", "-c", "1", "-l", "INFO", "-Q", "orders,payments", "-n", f"{name}@here"]
        process = celery(["-A", "shop:app", *options], operator.environ, log, APPS)
        until(lambda: " ready." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return process

    return start


@pytest.mark.stack
def test_a_held_queue_is_left_alone_by_old_and_new_workers_and_the_other_one_goes_on(
    operator: Operator, start: Callable[[str], Any]
) -> None:
    def send(task: str, value: str) -> None:
        code = f"from shop import app; app.tasks[{task!r}].delay({value!r})"
        subprocess.run([sys.executable, "-c", code], env=operator.environ, cwd=APPS, check=True)

    operator.redis.sadd("stock", "tea", "milk")
    operator.run("hold", "payments", "--reason", "x")
    for number in range(2):  # a deployment
        worker = start(f"worker{number}")
        try:
            send("pay", str(number))
            send("order", ("tea", "milk")[number])
            until(lambda number=number: operator.redis.llen("ordered") == number + 1)
            assert (operator.redis.llen("payments"), operator.redis.exists("paid")) == (number + 1, 0)
        finally:
            worker.terminate()
            worker.wait(60)
    worker = start("last")
    try:
        operator.run("release", "payments")
        until(lambda: operator.redis.llen("paid") == 2)
    finally:
        worker.terminate()
        worker.wait(60)
