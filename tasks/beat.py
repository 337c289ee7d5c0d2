"""Beat's scheduler: redbeat keeps the schedule in Redis, across restarts, and lets one beat at a time send."""

import sys

from redbeat import RedBeatScheduler  # pyright: ignore[reportMissingTypeStubs]

from ..beat_schedule import entries
from ..clients.config import SchedulerConfig
from ..clients.errors import InvalidConfig


class Scheduler(RedBeatScheduler):
    """Reads what runs when from the settings of beat's own process."""

    def setup_schedule(self) -> None:
        """Install the entries, and take away those that are switched off."""
        try:
            self.app.conf.beat_schedule = entries(SchedulerConfig.from_env())
        except InvalidConfig as error:
            sys.exit(str(error))
        super().setup_schedule()
