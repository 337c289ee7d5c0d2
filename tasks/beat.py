"""Beat's scheduler: redbeat keeps the schedule in Redis, across restarts, and lets one beat at a time send."""

import sys
from typing import Any

from celery.utils.log import get_logger
from redbeat import RedBeatScheduler  # pyright: ignore[reportMissingTypeStubs]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..beat_schedule import entries
from ..clients.config import SchedulerConfig
from ..clients.errors import InvalidConfig

PAUSE_SECS = 1.0

_PlainScheduler: Any = RedBeatScheduler  # what is overridden here is not in the stubs

logger = get_logger(__name__)


class Scheduler(_PlainScheduler):
    """Reads what runs when from the settings of beat's own process; outlives an outage of Redis."""

    def setup_schedule(self) -> None:
        """Install the entries, and take away those that are switched off."""
        try:
            self.app.conf.beat_schedule = entries(SchedulerConfig.from_env())
        except InvalidConfig as error:
            sys.exit(str(error))
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds to the next look; without Redis or the lock, send nothing."""
        try:
            return super().tick(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("Redis is away (%s): nothing is sent until it is back", type(error).__name__)
        except LockError:
            logger.warning("The lock was lost: nothing is sent until no other beat has it")
            self._start_anew()
        return PAUSE_SECS

    def close(self) -> None:
        """Let go of the lock; where Redis is away, it lapses."""
        try:
            super().close()
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("The lock was not released (%s); it lapses", type(error).__name__)

    def _start_anew(self) -> None:
        try:
            self.lock.acquire()
            self.setup_schedule()  # it may have been lost together with the lock
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.warning("Redis is away (%s): the lock is not taken yet", type(error).__name__)
