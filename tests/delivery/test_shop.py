"""The app of docs/delivery.md, word for word, with a real worker and a bank that goes down and comes back."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.delivery import DeadLetters, Installed, Reason, installed
from support.broker import Broker
from support.fakes.http_server import FakeServer, answer
from support.waiting import until
from support.worker import Worker

pytestmark = pytest.mark.stack

PAGE = (Path(__file__).parent.parent.parent / "docs" / "delivery.md").read_text()
PROGRAM, READER = re.findall(r"^```py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
CARD = "4000-0012-3456-7899"


@pytest.fixture
def bank() -> Iterator[FakeServer]:
    with FakeServer() as server:
        server.default = answer(200, {})
        yield server


@pytest.fixture
def shop(broker: Broker, bank: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `shop`, as a producer imports it."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    for name, value in {"REDIS_URL": broker.url, "BANK_URL": bank.url, "VISIBILITY_TIMEOUT_SECS": "5"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("shop")
    yield module
    installed(module.app).redis.close()
    module.app.close()
    del sys.modules["shop"]


@pytest.fixture
def start(shop: Any, broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(name: str = "one") -> Worker:
        worker = Worker(broker, name, tmp_path / f"{name}.log", app="shop", folder=tmp_path, queues="orders,payments")
        started.append(worker)
        worker.wait_ready()
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def delivery(shop: Any) -> Installed:
    return installed(shop.app)


def shipped(broker: Broker) -> list[Any]:
    return broker.redis.lrange("shipped", 0, -1)


def test_a_killed_workers_task_comes_back_and_a_long_one_runs_once(
    shop: Any, broker: Broker, start: Callable[..., Worker]
) -> None:
    doomed = start("doomed")
    shop.ship.delay("o-1", "1", secs=8)
    until(lambda: broker.redis.hlen("shop:unacked") == 1)
    doomed.kill()
    start("heir")
    until(lambda: shipped(broker) == [b"o-1"])  # it takes longer than the visibility timeout
    until(lambda: not broker.redis.exists("shop:unacked", "orders"))
    assert shipped(broker) == [b"o-1"]


def test_payments_wait_while_the_bank_is_down_and_no_attempt_is_spent(
    shop: Any, broker: Broker, bank: FakeServer, delivery: Installed, start: Callable[..., Worker]
) -> None:
    start()
    bank.default = answer(503, {})
    for number in range(10):
        shop.pay.delay(f"p-{number}", CARD)
    until(lambda: (hold := delivery.holds.get("bank")) is not None and hold.permits == 0)
    until(lambda: broker.redis.hlen("shop:unacked") == 0)
    assert broker.redis.llen("payments") == 10
    shop.ship.delay("o-2", "1")  # the other queue goes on
    until(lambda: shipped(broker) == [b"o-2"])
    bank.default = answer(200, {})
    until(lambda: not broker.redis.exists("payments", "shop:unacked") and delivery.holds.get("bank") is None)
    assert delivery.dead_letters.count() == 0
    paid = {request.path for request in bank.requests if request.path.startswith("/charge")}
    assert paid == {f"/charge/p-{number}" for number in range(10)}


def test_what_fails_for_good_is_a_dead_letter_and_a_card_number_appears_nowhere(
    shop: Any, broker: Broker, bank: FakeServer, delivery: Installed, start: Callable[..., Worker], capsys: Any
) -> None:
    worker, letters = start(), delivery.dead_letters
    bank.default = answer(402, {})
    shop.thumbnail.apply_async(("cat.png",), task_id="killer")
    shop.pay.apply_async(("p-1", CARD), task_id="declined")
    shop.ship.apply_async(("o-3", CARD), task_id="quotes")
    broker.redis.lpush("orders", f"no message, card {CARD}")
    until(lambda: letters.count() == 4)
    assert isinstance(letters, DeadLetters)
    found = {letter.reason: letter for letter in letters.list() if letter.id in {"killer", "declined", "quotes"}}
    assert set(found) == {Reason.LOST_WORKER, Reason.FAILED}
    assert letters.get("killer").attempts == 3  # type: ignore[union-attr]
    assert {letter.reason for letter in letters.list()} == {*found, Reason.BROKEN_ENVELOPE}
    declined, quotes = letters.get("declined"), letters.get("quotes")
    assert declined is not None and quotes is not None  # noqa: PT018
    assert (declined.message, declined.service, declined.status) == ("the card was declined", "bank", 402)
    assert (quotes.error, quotes.message) == ("ValueError", "ValueError")
    assert CARD not in worker.text
    assert not any(CARD in f"{letter.message}{letter.error}{letter.fields}" for letter in letters.list())
    exec(compile(READER, "docs/delivery.md", "exec"), {})
    assert "shop.thumbnail lost_worker" in capsys.readouterr().out
    assert letters.get("killer") is None


def test_a_worker_that_gets_term_ends_its_work_first(shop: Any, broker: Broker, start: Callable[..., Worker]) -> None:
    worker = start()
    shop.ship.delay("o-4", "1", secs=3)
    until(lambda: any((shop.app.control.inspect(timeout=2).active() or {}).values()))  # a child runs it
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert shipped(broker) == [b"o-4"]
    assert not broker.redis.exists("orders", "shop:unacked")


PLAIN = """
import os, time
from celery import Celery
app = Celery("plain", broker=os.environ["REDIS_URL"])
app.conf.update(task_acks_late=True, task_default_queue="plain")

@app.task(name="plain.slow")
def slow():
    app.connection_for_write().default_channel.client.rpush("plain:runs", 1)
    time.sleep(12)
    app.connection_for_write().default_channel.client.rpush("plain:done", 1)
"""


def test_an_app_on_plain_kombu_in_the_same_database_is_left_alone(
    shop: Any, broker: Broker, start: Callable[..., Worker], tmp_path: Path
) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    start()
    plain = Worker(broker, "plain", tmp_path / "plain.log", app="plain", folder=tmp_path, queues="plain")
    try:
        shop.app.send_task("plain.slow", queue="plain")
        until(lambda: broker.redis.llen("plain:done") == 1)  # it takes longer than the shop's visibility timeout
        assert broker.redis.llen("plain:runs") == 1
    finally:
        plain.kill()
