"""A real beat on a real Redis: the schedule holds across restarts, kills, outages and a second beat."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from memory_graph_workers.tasks.beats import ask_beats
from redis import Redis
from support.forked import Forked, celery

SWEEPS, LOCK = "memory_graph.archival", "memory_graph:beat::lock"
Until = Callable[[Callable[[], object]], None]
StartBeat = Callable[..., Forked]


class Broker(Protocol):
    """The broker of conftest.py, as far as it is needed here."""

    url: str
    folder: Path
    redis: Redis

    def start(self) -> None: ...
    def stop(self) -> None: ...


@pytest.fixture
def start_beat(broker: Broker, tmp_path: Path) -> Iterator[StartBeat]:
    started: list[Forked] = []

    def start(interval_secs: float = 3600, **settings: str) -> Forked:
        hours = {"REDIS_URL": broker.url, "ARCHIVAL_INTERVAL_HOURS": str(interval_secs / 3600)}
        environ = {**os.environ, **hours, **settings}
        beat = celery(["-A", "memory_graph_workers.tasks.app", "beat"], environ, tmp_path / "beat.log")
        started.append(beat)
        return beat

    yield start
    for beat in started:
        beat.kill()
        beat.wait()


def sent(broker: Broker) -> int:
    """How many sweeps wait for a worker (there is none)."""
    names = [json.loads(raw)["headers"]["task"] for raw in _messages(broker)]
    return names.count("memory_graph.archival.sweep")


def _messages(broker: Broker) -> list[bytes]:
    redis: Any = broker.redis
    return redis.lrange(SWEEPS, 0, -1)


def entry(broker: Broker) -> Any:
    """What beat knows of the sweep; None where it is not among its entries."""
    redis: Any = broker.redis
    text = redis.hget("memory_graph:beat:sweep", "definition")
    return json.loads(text)["schedule"] if text else None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_beat_neither_forgets_nor_fires_at_once(
    broker: Broker, start_beat: StartBeat, until: Until, how: signal.Signals
) -> None:
    first = start_beat(30)
    until(lambda: entry(broker) and broker.redis.exists(LOCK))
    began = time.monotonic()
    time.sleep(5)
    first.send_signal(how)
    first.wait()
    broker.redis.delete(LOCK)  # of one that was killed it would lapse after half a minute
    start_beat(30)
    until(lambda: broker.redis.exists(LOCK))
    again = time.monotonic()
    until(lambda: sent(broker))
    assert time.monotonic() - began > 28
    assert time.monotonic() - again < 29


def test_the_settings_of_the_last_start_hold(broker: Broker, start_beat: StartBeat, until: Until) -> None:
    wanted: list[tuple[dict[str, str], Callable[[], object]]] = [
        ({}, lambda: entry(broker)["every"] == 3600),
        ({"ARCHIVAL_CRONTAB": "0 3 * * *"}, lambda: entry(broker)["__type__"] == "crontab"),
        ({"ARCHIVAL_ENABLED": "false"}, lambda: entry(broker) is None),
    ]
    for settings, holds in wanted:
        beat = start_beat(**settings)
        until(lambda: broker.redis.exists(LOCK))
        until(holds)
        beat.terminate()
        beat.wait()
    assert sent(broker) == 0


def test_two_beats_send_what_one_does(broker: Broker, start_beat: StartBeat, until: Until) -> None:
    for _ in range(2):
        start_beat(2)
    until(lambda: broker.redis.exists(LOCK))
    began = time.monotonic()
    until(lambda: sent(broker) > 3)
    assert sent(broker) <= (time.monotonic() - began) / 2 + 1


def test_a_standby_is_seen_until_it_is_gone(broker: Broker, start_beat: StartBeat, until: Until) -> None:
    beats = [start_beat() for _ in range(2)]
    until(lambda: locked_and_there(broker) == [1, 2])
    beats[0].kill()
    until(lambda: locked_and_there(broker)[1] == 1)
    beats[1].terminate()
    until(lambda: locked_and_there(broker)[1] == 0)


def locked_and_there(broker: Broker) -> list[int]:
    with broker.redis.pipeline() as pipe:
        ask_beats(pipe)
        return pipe.execute()


def test_beat_outlives_a_redis_that_comes_back_empty(broker: Broker, start_beat: StartBeat, until: Until) -> None:
    beat = start_beat(2)
    until(lambda: broker.redis.exists(LOCK))
    broker.stop()
    shutil.rmtree(broker.folder / "appendonlydir")
    time.sleep(8)
    assert beat.poll() is None
    broker.start()
    until(lambda: sent(broker))


@pytest.mark.parametrize("away_secs", [8, 15])
def test_a_standby_beat_outlives_an_outage(broker: Broker, start_beat: StartBeat, until: Until, away_secs: int) -> None:
    beats = [start_beat(2), start_beat(2)]
    until(lambda: sent(broker))
    broker.stop()
    time.sleep(away_secs)
    broker.start()
    broker.redis.delete(LOCK, SWEEPS)  # it would lapse after half a minute
    until(lambda: sent(broker))
    assert [beat.poll() for beat in beats] == [None, None]


def test_a_beat_that_starts_without_redis_waits_for_it(
    broker: Broker, start_beat: StartBeat, tmp_path: Path, until: Until
) -> None:
    broker.stop()
    beat = start_beat(2)
    until(lambda: "Redis is away" in (tmp_path / "beat.log").read_text() or beat.poll() is not None)
    time.sleep(2)
    broker.start()
    until(lambda: sent(broker) or beat.poll() is not None)
    assert beat.poll() is None


@pytest.mark.parametrize(
    ("reply", "begin", "end"),
    [
        ("READONLY", ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (
            "NOREPLICAS",
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ),
    ],
)
def test_a_beat_outlives_a_redis_that_refuses_commands(
    broker: Broker,
    start_beat: StartBeat,
    tmp_path: Path,
    until: Until,
    reply: str,
    begin: tuple[str, ...],
    end: tuple[str, ...],
) -> None:
    beat = start_beat(2)
    until(lambda: sent(broker))
    broker.redis.execute_command(*begin)
    until(lambda: f"Redis is away ({reply}" in (tmp_path / "beat.log").read_text())
    broker.redis.execute_command(*end)
    before = sent(broker)
    until(lambda: sent(broker) > before)
    assert beat.poll() is None
