"""What workers tell in their events: runs, retries, failures and durations of tasks, counted since this process began.

Anybody who reaches Redis can publish events, and with any content. Only names of the app's tasks become labels, and
only numbers that can be a duration are counted.
"""

import logging
import math
import threading
import time
from collections.abc import Collection, Iterator
from typing import Any, TypeGuard, TypeVar

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram

from ...delivery.connections.connection import connect
from ...delivery.connections.replies import summary_of
from ...delivery.messages.envelope import Malformed, read_envelope
from ...delivery.messages.message import body_of, refuse_large
from ..readings.state import OTHER
from ..target import Target
from .families import HEARD, PREFIX

T = TypeVar("T", Counter, Histogram)

_OUTCOMES = {f"task-{outcome}": outcome for outcome in ("succeeded", "failed", "retried", "rejected", "revoked")}
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_LONGEST_SECS = 7 * 86_400.0
_MOST_BYTES = 2**20  # of one message with events
_CONNECT_SECS, _QUIET_SECS, _PAUSE_SECS = 3.0, 5.0, 1.0

logger = logging.getLogger(__name__)


class TaskEvents:
    """Counts the events of tasks into a registry; `tasks` are the names that are known."""

    def __init__(self, registry: CollectorRegistry, tasks: Collection[str]) -> None:
        self._tasks = frozenset(tasks)
        self._runs = _heard(Counter, "task_runs", registry)
        self._starts = _heard(Counter, "task_starts", registry)
        self._secs = _heard(Histogram, "task_duration_seconds", registry, buckets=_BUCKETS)
        for task in (*self._tasks, OTHER):  # from zero on, so that the first of each is an increase
            self._starts.labels(task)
            self._secs.labels(task)
            for outcome in _OUTCOMES.values():
                self._runs.labels(task, outcome)

    def hear(self, published: bytes) -> None:
        """Count what one message says; nothing of one that is no message with events."""
        try:
            refuse_large(published, 2 * _MOST_BYTES)
            said = orjson.loads(body_of(read_envelope(published), _MOST_BYTES))
        except (Malformed, ValueError):
            return
        for event in said if isinstance(said, list) else [said]:
            if isinstance(event, dict):
                self._count(event)

    def _count(self, event: dict[str, Any]) -> None:
        kind, name, secs = event.get("type"), event.get("name"), event.get("runtime")
        task = name if isinstance(name, str) and name in self._tasks else OTHER
        if kind == "task-started":
            self._starts.labels(task).inc()
        if isinstance(kind, str) and kind in _OUTCOMES:
            self._runs.labels(task, _OUTCOMES[kind]).inc()
        if kind == "task-succeeded" and _is_duration(secs):
            self._secs.labels(task).observe(secs)


class EventStream:
    """Hears the events of tasks in a thread, and connects again whenever Redis was away."""

    def __init__(self, target: Target, events: TaskEvents) -> None:
        self._redis = connect(
            target.delivery.url,
            timeout_secs=_QUIET_SECS,
            connect_timeout_secs=_CONNECT_SECS,
            health_check_interval=10,
        )
        self._channels = f"{target.broadcasts}{target.app.conf.event_exchange}/task.*"
        self._events = events
        self.is_connected = False

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def _run(self) -> None:
        said = ""
        while True:
            try:
                for message in self._messages():
                    said = ""
                    self._events.hear(message)
            except Exception as error:  # noqa: BLE001  a thread that ended would count nothing any more
                self.is_connected = False
                if summary_of(error) != said:  # once an outage
                    said = summary_of(error)
                    logger.warning("Events of workers are not heard, and not counted, until Redis is back (%s)", said)
                time.sleep(_PAUSE_SECS)

    def _messages(self) -> Iterator[bytes]:
        with self._redis.pubsub() as heard:
            heard.psubscribe(self._channels)
            while True:
                found: Any = heard.get_message(timeout=_QUIET_SECS)
                self.is_connected |= bool(found) and found["type"] == "psubscribe"
                if found and found["type"] == "pmessage":
                    yield found["data"]


def _heard(kind: type[T], name: str, registry: CollectorRegistry, **options: Any) -> T:
    labels, meaning = HEARD[name]
    return kind(f"{PREFIX}{name}", meaning, labels, registry=registry, **options)


def _is_duration(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < _LONGEST_SECS
