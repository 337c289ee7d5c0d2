"""What runs when: the archival sweep, the watch over it, and the health checks of the services. All in UTC."""

from datetime import datetime, timedelta
from typing import Any

from celery.schedules import BaseSchedule, crontab, schedule

from .clients.config import SchedulerConfig
from .clients.errors import InvalidConfig
from .schemas.settings import explain

WATCH_SECS = 60.0
HEALTH_SECS = 60.0
# Beat's message may come a little before the interval since the last start has passed.
EARLY = 0.9


def entries(config: SchedulerConfig) -> dict[str, dict[str, Any]]:
    """Return beat's entries by name."""
    found = {"watch": _every(WATCH_SECS, "memory_graph.archival.watch")}
    if config.health_probes:
        found["registry-health"] = _every(HEALTH_SECS, "memory_graph.registry.health_check")
        found["vault-health"] = _every(HEALTH_SECS, "memory_graph.vault.health_check")
    if config.enabled:
        task = "memory_graph.archival.sweep"
        found["sweep"] = {"task": task, "schedule": sweep_schedule(config), "kwargs": {"trigger": "beat"}}
    return found


def sweep_schedule(config: SchedulerConfig) -> BaseSchedule:
    """Return when the sweep runs: by the crontab if there is one, else every few hours.

    Raises: InvalidConfig if the crontab is wrong.
    """
    if config.crontab:
        return _crontab(config.crontab)
    return schedule(timedelta(hours=config.interval_hours))


def is_overdue(config: SchedulerConfig, last_start: datetime, moment: datetime, *, early: bool = False) -> bool:
    """Whether a sweep should have started since `last_start`; `early` allows for a message that beat sent early."""
    if config.crontab:
        remaining: timedelta = _crontab(config.crontab, nowfun=lambda: moment).remaining_estimate(last_start)
        return remaining <= timedelta(0)
    share = EARLY if early else 1.0
    return (moment - last_start).total_seconds() >= config.interval_hours * 3600 * share


def _every(secs: float, task: str) -> dict[str, Any]:
    # A message that waited for a whole period is useless: the next one has been sent.
    return {"task": task, "schedule": schedule(timedelta(seconds=secs)), "options": {"expires": secs}}


def _crontab(text: str, **options: Any) -> crontab:
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    try:
        return crontab(**dict(zip(names, text.split(), strict=True)), **options)
    except ValueError as error:
        raise InvalidConfig(explain(["crontab (ARCHIVAL_CRONTAB): must be five fields, like '0 3 * * *'."])) from error
