"""Made-up series that let each alert fire, and series a little beside them that do not, in promtool's notation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.rules import ALERTS, secs_of

EVERY_SECS = 15
_TARGET = 'job="mgw",instance="one:9540"'
_ALWAYS, _BEFORE = "x400", 60  # samples: for the whole of a test, and those before something changes
CHANGE_SECS = (_BEFORE + 1) * EVERY_SECS

Series = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """Groups of series: with each of `fires` the alert fires, with each of `quiet` it never does.

    What it waits for is so from `since_secs` on.
    """

    fires: tuple[Series, ...]
    quiet: tuple[Series, ...]
    since_secs: int = 0
    every_secs: int = EVERY_SECS


def constant(**values: float) -> Series:
    """Series of these names, without labels, that do not change."""
    return {name: f"{value:g}{_ALWAYS}" for name, value in values.items()}


def turns(before: float, after: float) -> str:
    """A series that changes once."""
    return f"{before:g}x{_BEFORE} {after:g}{_ALWAYS}"


def at(value: float, series: str, **others: str) -> Series:
    """One series that does not change, and others by their names."""
    return {series: f"{value:g}{_ALWAYS}", **others}


def letters(task_values: str, pot: str = "failures", begins: bool = False) -> Series:
    """The dead letters of a task; with `begins` nothing was known of any of them before the change."""
    bound = f"_x{_BEFORE + 1} 100{_ALWAYS}" if begins else f"100{_ALWAYS}"
    return {
        f'mgw_dead_letters{{pot="{pot}",task="t",reason="failed"}}': task_values,
        f'mgw_dead_letters{{pot="{pot}",task="other",reason="other"}}': f"0{_ALWAYS}",
        f'mgw_dead_letters_max{{pot="{pot}"}}': bound,
    }


def queue(waiting: str = "3x400", in_flight: str = "0x400", held: int = 0, unknown: int = 0) -> Series:
    """A queue on which something waits."""
    return {
        'mgw_queue_messages_waiting{queue="q"}': waiting,
        'mgw_queue_messages_in_flight{queue="q"}': in_flight,
        'mgw_queue_held{queue="q"}': f"{held}{_ALWAYS}",
        "mgw_messages_in_flight_unknown": f"{unknown}{_ALWAYS}",
    }


def memory(used: float, most: float) -> Series:
    """What Redis uses and may use."""
    return at(used, 'mgw_redis_memory_bytes{server="state"}') | at(most, 'mgw_redis_memory_max_bytes{server="state"}')


def late(age_secs: float, held: int) -> Series:
    """A queue whose oldest message has waited for so long."""
    return at(age_secs, 'mgw_queue_oldest_age_seconds{queue="q"}') | at(held, 'mgw_queue_held{queue="q"}')


def held_secs(secs: float) -> Series:
    """A service that is held for so long."""
    return at(secs, 'mgw_service_held_seconds{service="vault"}')


def near(count: float, size_bytes: float, pot: str = "quarantine") -> Series:
    """A pot of dead letters, of which it may have a hundred, with a hundred bytes."""
    one, two = (f'mgw_dead_letters{{pot="{pot}",task="t",reason="{reason}"}}' for reason in ("failed", "expired"))
    return {
        **at(count - 40, one),
        **at(40, two),
        **at(100, f'mgw_dead_letters_max{{pot="{pot}"}}'),
        **at(size_bytes, f'mgw_dead_letters_bytes{{pot="{pot}"}}'),
        **at(100, f'mgw_dead_letters_max_bytes{{pot="{pot}"}}'),
    }


def heard(connected: int, up: int) -> Series:
    """Whether events are heard, and Redis answers."""
    return at(connected, "mgw_events_connected") | at(up, 'mgw_redis_up{server="broker"}')


def sweep(status: int, age_secs: float, paused: int) -> Series:
    """The newest sweep."""
    return {
        **at(status, 'mgw_sweep_status{status="incomplete"}'),
        **constant(mgw_sweep_age_seconds=age_secs, mgw_sweeps_paused=paused),
    }


def usage(outcome: str, values: str) -> Series:
    """A count of usage reports."""
    return {f'mgw_usage_reports_total{{outcome="{outcome}"}}': values}


def dropped(pot: str, values: str) -> Series:
    """The count of dropped letters."""
    return {f'mgw_dead_letters_dropped{{pot="{pot}"}}': values}


def full(is_full: int, released: int) -> Series:
    """A queue whose dead letters fill up, or that a person keeps free."""
    return at(is_full, 'mgw_queue_full{queue="q"}') | at(released, 'mgw_queue_released_by_person{queue="q"}')


def simple(series: str, fires: float, quiet: float, every_secs: int = EVERY_SECS) -> Case:
    """An alert that looks at one value."""
    return Case((at(fires, series),), (at(quiet, series),), every_secs=every_secs)


_FALLING = f"10x{_BEFORE} 7.5x3 5.6x3 4.2x3 3.2x3 2.4x3 2{_ALWAYS}"  # a quarter a minute
_NOW_AND_THEN = " ".join(["0x9 1"] * 40)  # once in almost three minutes
_KIND = 'mgw_dead_letters{pot="%s",task="t",reason="failed"}'

CASES = {
    "MgwMetricsDown": Case((constant(up=0), {}), (constant(up=1),)),
    "MgwMetricsIncomplete": simple('mgw_part_readable{server="state",part="sweeps"}', 0, 1),
    "MgwEventsNotHeard": Case((heard(0, 1),), (heard(1, 1), heard(0, 0))),
    "MgwRedisAway": simple('mgw_redis_up{server="broker"}', 0, 1),
    "MgwRedisIsReplica": simple('mgw_redis_primary{server="broker"}', 0, 1),
    "MgwRedisMemoryHigh": Case((memory(81, 100),), (memory(80, 100), memory(1e9, 0))),
    "MgwRedisFull": Case((memory(96, 100),), (memory(95, 100), memory(1e9, 0))),
    "MgwNoWorker": simple("mgw_workers", 0, 1),
    "MgwWorkersGone": Case(
        ({"mgw_workers": turns(10, 4)}, {"mgw_workers": turns(1, 0)}),
        ({"mgw_workers": turns(10, 5)}, {"mgw_workers": _FALLING}, {"mgw_workers": turns(4, 10)}),
        CHANGE_SECS,
    ),
    "MgwMessagesAbandoned": simple("mgw_messages_abandoned", 1, 0),
    "MgwQueueNotMoving": Case(
        (queue(),),
        (queue(in_flight=_NOW_AND_THEN), queue(waiting=_NOW_AND_THEN), queue(held=1), queue(unknown=1)),
    ),
    "MgwQueueLate": Case((late(901, 0),), (late(900, 0), late(5000, 1))),
    "MgwQueueFull": Case((full(1, 0),), (full(0, 0), full(1, 1))),
    "MgwQueueHeldByPerson": simple('mgw_queue_held_by_person{queue="q"}', 1, 0, every_secs=240),
    "MgwQueueReleasedByPerson": simple('mgw_queue_released_by_person{queue="q"}', 1, 0, every_secs=240),
    "MgwServiceHeld": Case((held_secs(601),), (held_secs(600), {})),
    "MgwServiceHeldLong": Case((held_secs(3601),), (held_secs(3600), {})),
    "MgwBreakerOpen": Case(
        (at(1, 'mgw_breaker_state{service="vault",state="open"}'),),
        (
            at(0, 'mgw_breaker_state{service="vault",state="open"}'),
            at(1, 'mgw_breaker_state{service="vault",state="half-open"}'),
        ),
    ),
    "MgwDeadLettersGrowing": Case(
        (letters(turns(5, 6)), letters(f"_x{_BEFORE + 1} 1{_ALWAYS}")),
        (
            letters(f"5{_ALWAYS}"),
            letters(turns(6, 5)),
            letters(turns(5, 6), pot="quarantine"),
            letters(f"_x{_BEFORE + 1} 7{_ALWAYS}", begins=True),
        ),
        CHANGE_SECS,
    ),
    "MgwDeadLettersOneKind": Case(
        (at(21, _KIND % "failures") | at(100, 'mgw_dead_letters_max{pot="failures"}'),),
        (
            at(20, _KIND % "failures") | at(100, 'mgw_dead_letters_max{pot="failures"}'),
            at(50, _KIND % "quarantine") | at(100, 'mgw_dead_letters_max{pot="quarantine"}'),
        ),
    ),
    "MgwDeadLettersNearBound": Case((near(81, 0), near(40, 81), near(81, 99, "failures")), (near(80, 80),)),
    "MgwDeadLettersDropped": Case(
        (dropped("failures", turns(0, 3)),),
        (dropped("failures", f"3{_ALWAYS}"), dropped("failures", turns(3, 0)), dropped("quarantine", turns(0, 3))),
        CHANGE_SECS,
    ),
    "MgwQuarantineNotEmpty": Case(
        (letters(f"1{_ALWAYS}", "quarantine"),), (letters(f"0{_ALWAYS}", "quarantine"), letters(f"9{_ALWAYS}"))
    ),
    "MgwUsageReportsFailing": Case(
        (usage("failed", turns(0, 2)),),
        (usage("failed", f"7{_ALWAYS}"), usage("accepted", turns(0, 2))),
        CHANGE_SECS,
    ),
    "MgwReporterBacklog": Case(
        (constant(mgw_reporter_backlog=6, mgw_reporter_backlog_max=10),),
        (constant(mgw_reporter_backlog=5, mgw_reporter_backlog_max=10),),
    ),
    "MgwNoBeat": simple("mgw_beat_lock_held", 0, 1),
    "MgwNoStandbyBeat": Case((constant(mgw_beats=1),), (constant(mgw_beats=2), constant(mgw_beats=0))),
    "MgwSweepIncomplete": Case((sweep(1, 60, 0),), (sweep(0, 60, 0), sweep(1, 60, 1))),
    "MgwSweepSessionsFailed": simple('mgw_sweep_sessions{outcome="failed"}', 1, 0),
    "MgwSweepTooOld": Case((sweep(0, 93_601, 0),), (sweep(0, 93_600, 0), sweep(0, 999_999, 1))),
    "MgwSweepsPaused": simple("mgw_sweeps_paused", 1, 0, every_secs=240),
}


def units_of(alert: str) -> list[dict[str, Any]]:
    """An alert's case as promtool's unit tests: it fires when its `for` is over, and not one evaluation before."""
    case = CASES[alert]
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    fires_secs = case.since_secs + secs_of(ALERTS[alert]["for"])
    checks = [(fires_secs - case.every_secs, firing, 0), (fires_secs, firing, 1)]
    ever = f'count(max_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[2d]))'
    end_secs = fires_secs + 60 * case.every_secs
    return [
        *(_test(f"{alert} fires: {one}", case, one, checks) for one in case.fires),
        *(_test(f"{alert} is quiet: {one}", case, one, [(end_secs, ever, 0)]) for one in case.quiet),
    ]


def _test(name: str, case: Case, series: Series, checks: list[tuple[int, str, int]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": f"{case.every_secs}s",
        "input_series": [{"series": _of_target(one), "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{secs}s",
                "exp_samples": [{"labels": "{}", "value": value}] if value else [],
            }
            for secs, expr, value in checks
        ],
    }


def _of_target(series: str) -> str:
    name, _, labels = series.partition("{")
    return f"{name}{{{_TARGET},{labels}" if labels else f"{name}{{{_TARGET}}}"
