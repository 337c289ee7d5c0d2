"""`mgw metrics`: what a scrape says of queues and workers, and that it ends in time whatever Redis does."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from memory_graph_workers.cli.metrics import http_server
from memory_graph_workers.cli.metrics.exporter import Exporter
from memory_graph_workers.cli.metrics.http_server import HttpServer
from memory_graph_workers.cli.stack.ports import free_port, http_status
from memory_graph_workers.delivery import Keys
from support.broker import Broker
from support.forked import Forked, mgw
from support.promtool import promtool as promtool
from support.scraping import QUEUES, by_name, scrape, scraped, served, target_at, text_of
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.silent import silent as silent
from support.waiting import SOON_SECS, until

KEYS = Keys("shop")


@pytest.fixture(scope="module")
def exporter(running: Broker) -> Exporter:
    return Exporter(target_at(running.url))


def message(**headers: Any) -> str:
    return json.dumps({"body": "W10=", "headers": {"task": "order", "id": "1", **headers}, "properties": {}})


def test_it_counts_what_waits_of_every_priority(broker: Broker, exporter: Exporter) -> None:
    broker.redis.lpush("orders", *[message()] * 5)
    broker.redis.lpush("orders\x06\x163", message())
    found = scraped(exporter)
    assert by_name(found, "queue_messages_waiting") == {"orders": 6, "payments": 0, "mails": 0}
    assert by_name(found, "queue_backlog") == {"orders": 6, "payments": 0, "mails": 0}


def test_it_counts_what_is_in_flight_by_queue_and_what_is_of_none(broker: Broker, exporter: Exporter) -> None:
    now = time.time()
    ages_secs = {"orders": [0, 5, 90], "mails": [0], "elsewhere": [0]}
    tags = {f"{uuid4()}:{queue}": now - secs for queue, each in ages_secs.items() for secs in each}
    parked = {f"parked:{uuid4()}": now + secs for secs in (-5, 9000)}
    broker.redis.zadd(KEYS.unacked_index, {**tags, **parked, str(uuid4()): now})
    found = scraped(exporter)
    assert by_name(found, "queue_messages_in_flight") == {"orders": 3, "payments": 0, "mails": 1}
    assert by_name(found, "queue_backlog") == {"orders": 3, "payments": 0, "mails": 1}
    names = ("messages_in_flight_unknown", "messages_scheduled", "messages_abandoned")
    assert [found[(f"mgw_{name}",)] for name in names] == [2, 2, 1]


@pytest.mark.parametrize(
    ("headers", "age_secs"),
    [
        ([{"sent_at": -100}], 100),
        ([{"sent_at": -100, "eta": -30}], 30),
        ([{"sent_at": -100, "eta": 500}], 0),
        ([{"sent_at": -10}, {}, {"sent_at": -70, "retries": 3}], 70),
        ([{}], 0),
        ([], 0),
    ],
)
def test_the_oldest_message_is_dated_by_when_it_was_sent_or_due(
    broker: Broker, exporter: Exporter, headers: list[dict[str, float]], age_secs: float
) -> None:
    now = datetime.now(UTC)
    for given in headers:
        times = {name: now + timedelta(seconds=secs) for name, secs in given.items() if name != "retries"}
        sent = {"sent_at": times["sent_at"].timestamp()} if "sent_at" in times else {}
        eta = {"eta": times["eta"].isoformat()} if "eta" in times else {"eta": None}
        broker.redis.lpush("orders", message(**sent, **eta))
    found = scraped(exporter)
    assert found["mgw_queue_oldest_age_seconds", "orders"] == pytest.approx(age_secs, abs=5)
    assert found["mgw_queue_messages_undated", "orders"] == sum("sent_at" not in given for given in headers)


@pytest.mark.parametrize("junk", ["", "{", '"sent_at":', '"sent_at":1e999,"eta":"x"', "\x1b[31m\xff", '"sent_at":...'])
def test_junk_on_a_queue_is_counted_and_dates_nothing(broker: Broker, exporter: Exporter, junk: str) -> None:
    broker.redis.lpush("orders", junk)
    found = scraped(exporter)
    assert found["mgw_queue_messages_waiting", "orders"] == 1
    assert found["mgw_part_readable", "queues", "broker"] == 1
    assert found["mgw_queue_oldest_age_seconds", "orders"] >= 0


@pytest.mark.parametrize(("permits", "said"), [("-1", 0), ("0", 0), ("3", 3), ("many", 0)])
def test_a_queue_that_is_held_or_limited_has_no_backlog(
    broker: Broker, exporter: Exporter, permits: str, said: int
) -> None:
    broker.redis.lpush("orders", message())
    broker.redis.lpush("payments", message())
    broker.redis.set(KEYS.permits("payments"), permits)
    found = scraped(exporter)
    assert by_name(found, "queue_held") == {"orders": 0, "payments": 1, "mails": 0}
    assert by_name(found, "queue_backlog") == {"orders": 1, "payments": 0, "mails": 0}
    assert by_name(found, "queue_permits") == {"payments": said}


def test_only_workers_that_said_so_in_the_last_seconds_are_there(broker: Broker, exporter: Exporter) -> None:
    broker.redis.zadd(KEYS.workers, {"one": time.time() + 9, "two": time.time() + 5, "killed": time.time() - 2})
    assert scraped(exporter)[("mgw_workers",)] == 2


def test_a_broken_key_of_one_queue_hides_that_queue_alone(broker: Broker, exporter: Exporter) -> None:
    broker.redis.set("payments", "a text")
    found = scraped(exporter)
    assert set(by_name(found, "queue_messages_waiting")) == {"orders", "mails"}
    broker.redis.set(KEYS.unacked_index, "a text")
    found = scraped(exporter)
    assert [found["mgw_part_readable", part, "broker"] for part in ("fleet", "queues")] == [0, 1]
    assert "mgw_workers" not in {name for name, *_ in found}


def test_a_right_that_its_user_lacks_hides_one_part_alone(broker: Broker) -> None:
    broker.redis.execute_command("ACL", "SETUSER", "metrics", "on", "nopass", "~*", "&*", "+@all", "-hvals")
    broker.redis.lpush("orders", message())
    found = scraped(Exporter(target_at(broker.url.replace("://", "://metrics:any@"))))
    unreadable = {key[1] for key, value in found.items() if key[0] == "mgw_part_readable" and not value}
    assert unreadable == {"dead letters: failures", "dead letters: quarantine"}
    assert by_name(found, "redis_up") == {"broker": 1, "state": 1}
    assert found["mgw_queue_messages_waiting", "orders"] == 1


def test_while_redis_is_away_it_says_so_and_tells_nothing_old(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    exporter = Exporter(target_at(broker.url))
    last_read = scraped(exporter)["mgw_last_read_timestamp_seconds", "broker"]
    broker.stop()
    found = {key: value for key, value in scraped(exporter).items() if not key[0].startswith("mgw_task_")}
    assert by_name(found, "redis_up") == {"broker": 0, "state": 0}
    assert by_name(found, "last_read_timestamp_seconds")["broker"] == last_read
    assert {name for name, *_ in found} == {"mgw_redis_up", "mgw_last_read_timestamp_seconds", "mgw_events_connected"}
    broker.start()
    assert scraped(exporter)["mgw_redis_up", "broker"] == 1
    broker.redis.close()
    broker.stop()


def test_a_redis_that_says_nothing_holds_up_no_scrape_and_no_caller(silent: str) -> None:
    with served(HttpServer("127.0.0.1", 0, Exporter(target_at(silent)))) as port:
        began = time.monotonic()
        assert http_status_within(port, "/healthz", SOON_SECS) == 503
        assert http_status_within(port, "/metrics", SOON_SECS) == 200
        assert time.monotonic() - began < SOON_SECS


def http_status_within(port: int, path: str, secs: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=secs)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_many_slow_callers_do_not_make_more_threads_than_there_may_be(broker: Broker, exporter: Exporter) -> None:
    with served(HttpServer("127.0.0.1", 0, exporter)) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        assert http_status(port, "/healthz") is None
        for one in slow:
            one.close()
        until(lambda: http_status(port, "/healthz") == 200)


def test_a_caller_who_sends_a_byte_now_and_then_is_dropped_all_the_same(
    broker: Broker, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "_LONGEST_SECS", 0.3)
    with served(HttpServer("127.0.0.1", 0, exporter)) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        until(lambda: is_dropped(slow))


def is_dropped(caller: socket.socket) -> bool:
    caller.settimeout(0.05)
    try:
        caller.send(b"G")
        return caller.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_metrics_and_health_are_served_and_nothing_else(broker: Broker, exporter: Exporter) -> None:
    with served(HttpServer("127.0.0.1", 0, exporter)) as port:
        paths = ("/metrics", "/healthz", "/", "/metrics/", "/favicon.ico")
        assert [http_status(port, path) for path in paths] == [200, 200, 404, 404, 404]


def test_the_command_serves_until_it_is_stopped(broker: Broker, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    environ = {**os.environ, "REDIS_URL": broker.url}
    process = Forked(
        "memory_graph_workers.cli", ["metrics", "--port", str(port)], environ, tmp_path, [Path(os.devnull), log, log]
    )
    until(lambda: http_status(port, "/healthz") == 200)
    found = scrape(port)
    assert found["mgw_queue_backlog", "memory_graph.registry"] == 0
    for _ in range(300):
        process.send_signal(signal.SIGTERM)
    assert process.wait(SOON_SECS) == 0


def test_a_port_that_is_taken_is_told(broker: Broker) -> None:
    told = mgw("metrics", "--port", str(broker.port), environ={**os.environ, "REDIS_URL": broker.url})
    assert told.returncode == 2
    assert f"Cannot listen on 127.0.0.1, port {broker.port}: Address already in use." in told.stderr


def test_prometheus_accepts_the_text(broker: Broker, exporter: Exporter, promtool: Callable[[str], str]) -> None:
    broker.redis.lpush("orders", message(sent_at=time.time()))
    assert promtool(text_of(exporter)) == ""
    assert set(by_name(scraped(exporter), "queue_backlog")) == set(QUEUES)
