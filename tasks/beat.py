"""Beat's scheduler: redbeat keeps the schedule in Redis across restarts, and only one beat at a time sends."""

import copy
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from celery.utils.log import get_logger
from redbeat import schedulers as redbeat  # pyright: ignore[reportMissingTypeStubs]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..beat_schedule import entries
from ..clients.config import SchedulerConfig
from ..clients.errors import InvalidConfig
from ..delivery.connections.connection import connect
from ..delivery.connections.replies import State, state_of, summary_of
from .beats import Presence
from .config import BrokerConfig

PAUSE_SECS = 1.0

_redbeat: Any = redbeat  # it has no types
_PlainScheduler, _PlainEntry = _redbeat.RedBeatScheduler, _redbeat.RedBeatSchedulerEntry

logger = get_logger(__name__)


class Entry(_PlainEntry):
    """An entry whose due time is the same whenever it is computed."""

    @property
    def due_at(self) -> datetime | None:
        """When the task is due: one period after its last run, or now if it never ran.

        redbeat adds to the last run what is left of the period now, so that each restart makes an entry due earlier.
        """
        if self.last_run_at is None:
            return self._default_now()
        last_run_at: datetime = self.schedule.maybe_make_aware(self.last_run_at)
        schedule = copy.copy(self.schedule)
        schedule.nowfun = lambda: last_run_at
        return last_run_at + schedule.remaining_estimate(last_run_at)


class Scheduler(_PlainScheduler):
    """A schedule that comes from the settings of beat's own process, and survives an outage of Redis."""

    Entry = Entry
    _is_set_up = False
    _presence: Presence | None = None

    def __init__(self, app: Any, **options: Any) -> None:
        """Give redbeat a client of ours, which it would make by itself."""
        try:
            url = BrokerConfig.from_env().state
        except InvalidConfig as error:
            sys.exit(str(error))
        client = connect(url, timeout_secs=30, connect_timeout_secs=5, decode_responses=True)
        setattr(app, _redbeat.REDBEAT_REDIS_KEY, client)
        super().__init__(app, **options)

    @property
    def info(self) -> str:
        """What beat says of the schedule when it starts."""
        return f"       . redis -> {self.app.conf.redbeat_redis_url}"

    def setup_schedule(self) -> None:
        """Install the entries, and remove those that are switched off; without Redis, `tick` does it later."""
        try:
            self.app.conf.beat_schedule = entries(SchedulerConfig.from_env())
        except InvalidConfig as error:
            sys.exit(str(error))
        self._is_set_up = False
        # Not of a scheduler that is only made to be shown.
        self._presence = self._presence or Presence(getattr(self.app, _redbeat.REDBEAT_REDIS_KEY))
        with _unless_away("the schedule is not in Redis yet"):
            super().setup_schedule()
            self._is_set_up = True

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds until the next tick; without Redis or the lock, send nothing."""
        with _unless_away("nothing is sent until it is back"):
            try:
                if self.lock is None:  # Redis was away when this beat started
                    self._take_lock()
                elif not self._is_set_up:
                    self.setup_schedule()
                return super().tick(*args, **kwargs)
            except LockError:
                logger.warning("Beat lost its lock: nothing is sent until no other beat has it")
                self._take_lock()
        return PAUSE_SECS

    def close(self) -> None:
        """Release the lock; if Redis is away, it lapses by itself."""
        if self._presence is not None:
            self._presence.close()
        with _unless_away("beat's lock is not released; it lapses by itself"):
            super().close()

    def _take_lock(self) -> None:
        """Wait until no other beat has the lock, then install the entries: Redis may have lost them with it."""
        self.lock = None
        _redbeat.acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
        self.setup_schedule()


@contextmanager
def _unless_away(otherwise: str) -> Generator[None]:
    """Say in the log what does not happen while Redis is away, refuses commands, or has a broken key."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        logger.warning("Redis is away (%s): %s", summary_of(error), otherwise)
    except ResponseError as error:
        if state_of(error) is not State.CORRUPT_KEY:
            raise
        logger.error(
            "Beat cannot use its keys in Redis (%s): %s. Look for a key of another type among memory_graph:beat:*, and "
            "rename or delete it",
            summary_of(error),
            otherwise,
        )
