"""The lease on work in hand: renewed while a worker lives, so that a dead worker's tasks come back soon.

The visibility timeout is short, and a task, a countdown or a retry may outlast it: a thread of the worker's
parent says every third of it which messages are still in hand. What a hung task or a hung worker holds is
given up after a while. Outages: acknowledgements that did not get through are made up for here, and a lost
connection does not hand back what still runs.
"""

import contextlib
import threading
import time
from typing import Any, cast

from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker import state
from redis.exceptions import RedisError

from .transport import Channel

GRACE_SECS = 10.0  # after a task's hard time limit, for the pool to kill it
LONGEST_SILENCE_SECS = 120.0  # of the worker's loop; one that says nothing for so long hangs
_TICK_SECS = 1.0
_RENEWALS_A_TIMEOUT = 3

_Step: Any = bootsteps.StartStopStep

logger = get_logger(__name__)


class Lease(_Step):
    """A step of the worker's consumer; add it with `app.steps["consumer"].add(Lease)`."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._channel: Any = None
        self._thread: threading.Thread | None = None
        self._loop_seen_at = 0.0

    def start(self, consumer: Any) -> None:
        """Renew before this connection takes or restores anything, and keep renewing."""
        channel = consumer.task_consumer.channel
        if not isinstance(channel, Channel):  # another broker keeps its own account of what is in hand
            return
        cast(Any, channel).do_restore = False  # a lost connection must not hand back what still runs
        self._channel = channel
        self._tick()
        consumer.timer.call_repeatedly(_TICK_SECS, self._tick)
        self._renew()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
            self._thread.start()

    def stop(self, consumer: Any) -> None:
        """Hand back what is in hand when the worker stops; a connection that is only lost hands nothing back."""
        if self._channel is not None and (state.should_stop is not None or state.should_terminate is not None):
            self._channel.do_restore = True

    def _tick(self) -> None:
        self._loop_seen_at = time.monotonic()

    def _run(self) -> None:
        while True:
            time.sleep(self._channel.visibility_timeout / _RENEWALS_A_TIMEOUT)
            if time.monotonic() - self._loop_seen_at > LONGEST_SILENCE_SECS:
                logger.error("The worker's loop hangs: its messages are no longer held")
                continue
            try:
                self._renew()
                self._restore_if_idle()
            except (RedisError, OSError) as error:
                logger.warning("Lease not renewed (%s)", type(error).__name__)

    def _renew(self) -> None:
        qos = self._channel.qos
        qos.settle_owed()
        qos.renew((qos.tags_in_hand() | _running_tags()) - _overdue_tags())

    def _restore_if_idle(self) -> None:
        """Restore what others lost; kombu's own timer does so only while a queue is consumed."""
        if not self._channel.active_queues:
            self._channel.qos.restore_visible(num=self._channel.unacked_restore_limit, interval=1)


def _running_tags() -> set[str]:
    """The deliveries that run here, those of an earlier connection too."""
    return {request.message.delivery_tag for request in _active() if not request.acknowledged}


def _overdue_tags() -> set[str]:
    """The deliveries whose hard time limit has passed, and whose child was not killed for it."""
    return {request.message.delivery_tag for request in _active() if _is_overdue(request)}


def _is_overdue(request: Any) -> bool:
    limit_secs = request.time_limits[0] or request.task.time_limit
    started_at = getattr(request, "accepted_at", None)
    return bool(limit_secs and started_at) and time.monotonic() > started_at + limit_secs + GRACE_SECS


def _active() -> list[Any]:
    for _ in range(100):
        with contextlib.suppress(RuntimeError):  # changed while it was being copied
            return list(cast("set[Any]", state.active_requests))
    return []
