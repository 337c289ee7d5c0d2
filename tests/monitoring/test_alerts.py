"""Each alert fires in a real Prometheus once its fault is there, and not before; the dashboard shows all of it.

The fleet is real; its faults are caused one act after the other. Durations are shorter than those that are shipped:
`rules.shortened` says how.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from monitoring.panels_shown import queries
from monitoring.prometheus_server import Prometheus, paced
from monitoring.rules import ALERTS, LONGEST_RANGE_SECS, LONGEST_SECS
from monitoring.watched_fleet import Fleet, watched
from support.promtool import prometheus_program
from support.waiting import comes, until

pytestmark = pytest.mark.stack

Fault = Callable[[Fleet], None]

# Acts of faults that come at the same time, each with the alerts that it lets fire.
ACTS: list[dict[Fault, set[str]]] = [
    {
        Fleet.lose_worker_and_standby: {
            *("MgwNoWorker", "MgwWorkersGone", "MgwMessagesAbandoned", "MgwQueueNotMoving", "MgwQueueLate"),
            "MgwNoStandbyBeat",
        },
        Fleet.lose_services: {"MgwServiceHeld", "MgwServiceHeldLong", "MgwBreakerOpen", "MgwQueueFull"},
        Fleet.decide_by_hand: {"MgwQueueHeldByPerson", "MgwQueueReleasedByPerson"},
        Fleet.fail_tasks: {
            *("MgwDeadLettersGrowing", "MgwDeadLettersOneKind", "MgwDeadLettersNearBound", "MgwDeadLettersDropped"),
            *("MgwQuarantineNotEmpty", "MgwUsageReportsFailing"),
        },
        Fleet.fail_a_sweep: {"MgwSweepIncomplete", "MgwSweepSessionsFailed", "MgwSweepTooOld"},
        Fleet.cut_off_a_producer: {"MgwReporterBacklog"},
    },
    {
        Fleet.stop_schedule: {"MgwNoBeat", "MgwSweepsPaused"},
        Fleet.take_rights: {"MgwMetricsIncomplete", "MgwEventsNotHeard"},
        Fleet.fill_redis: {"MgwRedisMemoryHigh", "MgwRedisFull"},
    },
    {Fleet.demote_redis: {"MgwRedisIsReplica"}},
    {lambda fleet: fleet.broker.stop(): {"MgwRedisAway"}},
    {lambda fleet: fleet.exporter.kill(): {"MgwMetricsDown"}},
]


@dataclass
class Story:
    """What Prometheus said: the alerts that had fired before each alert's fault, those that fired then, and panels."""

    before: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    fired: set[str] = field(default_factory=set[str])
    shown: dict[str, int] = field(default_factory=dict[str, int])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """All acts, once."""
    prometheus_program("prometheus")
    told = Story()
    with watched(tmp_path_factory.mktemp("fleet")) as (fleet, prometheus):
        # Long enough for what looks back, and for every alert to fire that would in a fleet that is well.
        until(lambda: paced(prometheus.query(f"mgw_beats offset {LONGEST_RANGE_SECS + LONGEST_SECS}s")))
        for act in ACTS:
            play(told, act, fleet, prometheus)
            if act is ACTS[0]:
                told.shown = {name: len(prometheus.query(expr)) for name, expr in queries()}
    return told


def play(told: Story, act: dict[Fault, set[str]], fleet: Fleet, prometheus: Prometheus) -> None:
    """Cause the faults of an act, and wait for their alerts; one that does not fire fails its own test."""
    alerts = set[str]().union(*act.values())
    told.before |= dict.fromkeys(alerts, prometheus.fired)
    for fault in act:
        fault(fleet)
    comes(lambda: paced(alerts <= prometheus.fired))
    told.fired = prometheus.fired


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_its_fault_is_there_and_not_before(story: Story, alert: str) -> None:
    assert alert not in story.before[alert]
    assert alert in story.fired


def test_every_alert_has_a_fault() -> None:
    caused = [alert for act in ACTS for alerts in act.values() for alert in alerts]
    assert sorted(caused) == sorted(ALERTS)


@pytest.mark.parametrize("query", [name for name, _ in queries()])
def test_a_panel_of_the_dashboard_shows_something(story: Story, query: str) -> None:
    assert story.shown[query] > 0
