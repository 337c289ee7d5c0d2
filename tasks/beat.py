"""Beat's scheduler: redbeat keeps the schedule in Redis, across restarts, and lets one beat at a time send."""

import sys

from redbeat import RedBeatScheduler  # pyright: ignore[reportMissingTypeStubs]

from ..beat_schedule import entries
from ..clients.config import SchedulerConfig
from ..clients.errors import InvalidConfig
from ..schemas.settings import read_all
from .config import BrokerConfig


class Scheduler(RedBeatScheduler):
    """Reads what runs when from the settings of beat's own process."""

    def setup_schedule(self) -> None:
        """Install the entries, and take away those that are switched off."""
        try:
            read_all(None, BrokerConfig, SchedulerConfig)
            self.app.conf.beat_schedule = entries(SchedulerConfig.from_env())
        except InvalidConfig as error:
            sys.exit(str(error))
        super().setup_schedule()
