"""Each worker says every few seconds that it is there, and learns how large the fleet is."""

import threading
from typing import Any
from uuid import uuid4

from celery import bootsteps
from celery.utils.log import get_logger
from redis.exceptions import RedisError

from ..broker.transport import Channel
from ..celery_types import WorkerConsumer
from ..connections.replies import spoken

BEAT_SECS, SILENT_SECS = 4.0, 9.0  # one that was killed is gone within ten seconds

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

    def start(self, parent: WorkerConsumer) -> None:
        """Use the new connection, and start the thread."""
        self._channel = parent.task_consumer.channel
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
            self._thread.start()

    def shutdown(self, parent: WorkerConsumer) -> None:
        """Leave the fleet."""
        self._stopped.set()

    def _run(self) -> None:
        said = ""
        while True:
            try:
                Channel.pace.workers = max(1, self._channel.say_present(self._name, SILENT_SECS))
                said = ""
            except (RedisError, OSError) as error:
                self._channel.doubt()
                if spoken(error) != said:  # once an outage
                    said = spoken(error)
                    logger.warning("How many workers there are is not known (%s)", said)
            if self._stopped.wait(BEAT_SECS):
                break
        try:
            self._channel.say_gone(self._name)
        except (RedisError, OSError) as error:
            logger.warning("The fleet is told later that this worker is gone (%s)", spoken(error))
