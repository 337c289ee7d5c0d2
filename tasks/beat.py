"""Beat's scheduler: redbeat keeps the schedule in Redis across restarts, and only one beat at a time sends."""

import copy
import sys
from datetime import datetime
from typing import Any

from celery.utils.log import get_logger
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry  # pyright: ignore[reportMissingTypeStubs]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..beat_schedule import entries
from ..clients.config import SchedulerConfig
from ..clients.errors import InvalidConfig

PAUSE_SECS = 1.0

_PlainScheduler: Any = RedBeatScheduler  # redbeat has no types for what is overridden here
_PlainEntry: Any = RedBeatSchedulerEntry

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

    def setup_schedule(self) -> None:
        """Install the entries, and remove those that are switched off."""
        try:
            self.app.conf.beat_schedule = entries(SchedulerConfig.from_env())
        except InvalidConfig as error:
            sys.exit(str(error))
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds until the next tick; without Redis or the lock, send nothing."""
        try:
            return super().tick(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("Redis is away (%s): nothing is sent until it is back", type(error).__name__)
        except LockError:
            logger.warning("Beat lost its lock: nothing is sent until no other beat has it")
            self._start_again()
        return PAUSE_SECS

    def close(self) -> None:
        """Release the lock; if Redis is away, it lapses by itself."""
        try:
            super().close()
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("Beat's lock was not released (%s); it lapses by itself", type(error).__name__)

    def _start_again(self) -> None:
        try:
            self.lock.acquire()
            self.setup_schedule()  # Redis may have lost the schedule together with the lock
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("Redis is away (%s): beat does not have its lock yet", type(error).__name__)
