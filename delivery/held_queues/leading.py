"""The leader among the workers: it holds queues, bounds the dead letters and brings over what has old names.

Any worker may lead. One that ends hands the lead over; of one that was killed it runs out after half a minute.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from celery import bootsteps
from celery.utils.log import get_logger
from redis.exceptions import RedisError

from ..broker.transport import Channel
from ..celery_types import WorkerConsumer
from ..connections.replies import State, state_of, summary_of
from ..moving import OldNames, old_names
from ..settings import Installed, installed
from .breakers import breaker_of
from .holding import Holder
from .holds import LEADER_SECS, HoldStore
from .limits import FullQueues, QueuesByHand
from .probes import Probes, always_up, command_of

_TURN_SECS = 1.0
_ASKS_PER_SEC = 5.0  # how often all workers together ask who leads, where they are more than that
_KEEP_BOUNDS_SECS = 60.0  # though nothing may have failed since
_MEASURE_SECS = 15.0

logger = get_logger(__name__)


class Lead(bootsteps.StartStopStep):
    """The worker's step that takes the lead, or waits for it, and takes the leader's steps once a second."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: WorkerConsumer, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._channel: Any = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._leads, self._leads_until = False, 0.0
        self._name = str(uuid4())

    def start(self, parent: WorkerConsumer) -> None:
        """Use the new connection, and start the thread."""
        self._channel = parent.task_consumer.channel
        if self._thread is None:
            found = installed(parent.app)
            old = old_names(found, parent.app)
            self._thread = threading.Thread(target=self._run, args=(found, old), name="hold", daemon=True)
            self._thread.start()

    def shutdown(self, parent: WorkerConsumer) -> None:
        """Let another worker lead."""
        self._stopped.set()

    def _permit(self, queue: str, permits: int | None, *, lasting: bool = False) -> None:
        self._channel.set_permits(queue, permits, lasting=lasting)

    def _lead(self, holds: HoldStore, steps: Sequence[Callable[[], None]]) -> str:
        """Take the leader's steps, if this worker leads. Returns what failed, fit to be logged, or nothing."""
        try:
            if not self._is_leader(holds):
                return ""
        except (RedisError, OSError) as error:
            return _why(error)
        return take_each(steps)

    def _is_leader(self, holds: HoldStore) -> bool:
        """Whether this worker leads; long before nobody would, it asks again."""
        if not self._leads or time.monotonic() > self._leads_until:
            asked_at, self._leads, Channel.leads = time.monotonic(), False, False
            self._leads, self._leads_until = holds.lead(self._name), asked_at + LEADER_SECS / 3
            Channel.leads = self._leads
        return self._leads

    @property
    def _pause_secs(self) -> float:
        return _TURN_SECS if self._leads else self._channel.pace.every(_TURN_SECS, _ASKS_PER_SEC)

    def _run(self, found: Installed, old: OldNames | None) -> None:
        holds, probes = found.holds, Probes(command_of(found.probe)) if found.probe else None
        ask = probes.ask if probes else always_up
        by_hand = QueuesByHand(holds, self._permit)
        full = FullQueues(found.dead_letters, holds, by_hand.limit, wanted=found.bounds.hold_when_full)
        holder = Holder(holds, found.needs, breaker_of(found), ask, full.limit, found.pause_secs)
        steps = [
            by_hand.turn,
            full.turn,
            holder.turn,
            every(_MEASURE_SECS, holder.measure),
            every(_KEEP_BOUNDS_SECS, found.dead_letters.keep_bounds),
        ]
        if old is not None:
            steps.append(old.turn)
        said = ""
        while not self._stopped.wait(self._pause_secs):
            failed = self._lead(holds, steps)
            if failed and failed != said:  # once an outage, not once a second
                logger.warning("Queues stay held or free as they are until Redis works again (%s)", failed)
            said = failed
        if probes:
            probes.stop()
        try:
            holds.resign(self._name)
        except (RedisError, OSError) as error:
            logger.warning(
                "Leadership of held queues not given up; another worker takes it in half a minute (%s)",
                summary_of(error),
            )


def every(secs: float, step: Callable[[], None]) -> Callable[[], None]:
    """The step, taken at most once in so many seconds."""
    taken_at = -secs

    def take() -> None:
        nonlocal taken_at
        if time.monotonic() - taken_at >= secs:
            taken_at = time.monotonic()
            step()

    return take


def take_each(steps: Sequence[Callable[[], None]]) -> str:
    """Take each step, though another one fails: a broken key of one thing must not stop the others.

    Returns what failed, in a few words fit to be logged, or nothing.
    """
    failed: list[str] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001  a thread that ended would leave every queue as it is, for ever
            failed.append(_why(error))
    return ", ".join(dict.fromkeys(failed))


def _why(error: Exception) -> str:
    """An error in a few words; the same words for each of those by which a lost server shows itself."""
    return "it does not answer" if state_of(error) is State.AWAY else summary_of(error)
