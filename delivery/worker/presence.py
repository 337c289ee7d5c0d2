"""Each worker says now and then that it is there, and learns how large the fleet is.

All that an idle worker does by the clock, it does the less often, the more workers there are (`Pace.every`).
"""

import threading
from itertools import count
from typing import Any
from uuid import uuid4

from celery import bootsteps
from celery.utils.log import get_logger
from redis.exceptions import RedisError

from ..celery_types import WorkerConsumer
from ..connections.replies import summary_of

BEAT_SECS, _BEATS_PER_SEC = 4.0, 25.0  # of one worker, and of all together
SILENT_BEATS = 2.25  # one that was killed counts for so long: among a hundred, for less than ten seconds
_TIDIES_EACH = 10  # beats
_HEARTBEAT_SECS, _HEARTBEATS_PER_SEC = 4.0, 25.0  # events for Flower, of one worker and of all together

logger = get_logger(__name__)


class Presence(bootsteps.StartStopStep):
    """The step of the worker's consumer that notes this worker among the fleet; `install` adds it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: WorkerConsumer, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._channel: Any = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._name = f"{parent.hostname} {uuid4()}"
        self._heart: Any = None
        self._heartbeat_secs = 0.0

    def start(self, parent: WorkerConsumer) -> None:
        """Use the new connection, and start the thread."""
        self._channel = parent.task_consumer.channel
        parent.timer.call_repeatedly(BEAT_SECS, self._calm, (parent,))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
            self._thread.start()

    def shutdown(self, parent: WorkerConsumer) -> None:
        """Leave the fleet."""
        self._stopped.set()

    def _calm(self, parent: WorkerConsumer) -> None:
        """Send heartbeat events as rarely as a fleet of this size needs; each event says how often they come."""
        heart = parent.heart
        if heart is None or heart.tref is None:
            return
        if heart is not self._heart:  # each connection has one of its own
            self._heart, self._heartbeat_secs = heart, heart.interval
        secs = self._channel.pace.every(max(self._heartbeat_secs, _HEARTBEAT_SECS), _HEARTBEATS_PER_SEC)
        if abs(secs - heart.interval) > heart.interval / 10:
            heart.interval = secs
            heart.tref.cancel()
            heart.tref = parent.timer.call_repeatedly(secs, heart._send, ("worker-heartbeat",))

    def _run(self) -> None:
        said = ""
        for beat in count():
            secs = self._channel.pace.every(BEAT_SECS, _BEATS_PER_SEC)
            try:
                tidy = beat % _TIDIES_EACH == 0
                self._channel.pace.learn(*self._channel.say_present(self._name, secs * SILENT_BEATS, tidy=tidy))
                said = ""
            except (RedisError, OSError) as error:
                self._channel.doubt()
                if summary_of(error) != said:  # once an outage
                    said = summary_of(error)
                    logger.warning("How many workers there are is not known (%s)", said)
            if self._stopped.wait(secs):
                break
        try:
            self._channel.say_gone(self._name)
        except (RedisError, OSError) as error:
            logger.warning("The fleet is told later that this worker is gone (%s)", summary_of(error))
