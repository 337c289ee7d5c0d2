"""What runs when, and whether a sweep is overdue."""

from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.beat_schedule import entries, is_overdue, sweep_schedule
from memory_graph_workers.clients.config import SchedulerConfig
from memory_graph_workers.clients.errors import InvalidConfig

START = datetime(2026, 1, 1, 3, 0, 1, tzinfo=UTC)


def test_the_sweep_runs_every_interval() -> None:
    assert sweep_schedule(SchedulerConfig(interval_hours=6)).run_every == timedelta(hours=6)  # type: ignore[attr-defined]


def test_a_switched_off_sweep_leaves_the_watch_and_the_health_checks() -> None:
    assert set(entries(SchedulerConfig(enabled=False))) == {"watch", "registry-health", "vault-health"}


def test_switched_off_health_checks_leave_the_sweep_and_the_watch() -> None:
    assert set(entries(SchedulerConfig(health_probes=False))) == {"watch", "sweep"}


def test_a_crontab_takes_the_place_of_the_interval() -> None:
    assert str(sweep_schedule(SchedulerConfig(crontab="0 3 * * *"))).startswith("<crontab: 0 3 * * *")


@pytest.mark.parametrize("text", ["x", "0 99 * * *", "a b c d e", "* * * *"])
def test_a_wrong_crontab_is_a_configuration_error(text: str) -> None:
    with pytest.raises(InvalidConfig, match="ARCHIVAL_CRONTAB"):
        sweep_schedule(SchedulerConfig(crontab=text))


@pytest.mark.parametrize(("hours", "early", "overdue"), [(23, False, False), (24, False, True), (23, True, True)])
def test_an_interval_is_overdue_when_it_is_over(hours: int, early: bool, overdue: bool) -> None:
    assert is_overdue(SchedulerConfig(), START, START + timedelta(hours=hours), early=early) is overdue


@pytest.mark.parametrize(("hour", "overdue"), [(2, False), (4, True)])
def test_a_crontab_is_overdue_when_its_moment_has_passed(hour: int, overdue: bool) -> None:
    moment = datetime(2026, 1, 2, hour, tzinfo=UTC)
    assert is_overdue(SchedulerConfig(crontab="0 3 * * *"), START, moment) is overdue
